//! A page in a browser that is told what to do, as a person would do it: press, type, read.
//!
//! Speaks the DevTools protocol over a pipe. Whatever is pressed or read is waited for.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempDir};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::{FLAGS, LIMIT, console};

/// How often is looked for what is waited for.
const LOOK: Duration = Duration::from_millis(50);
/// It takes commands on descriptor 3 and answers on 4.
const OVER_A_PIPE: &str =
    "exec chromium \"$@\" --remote-debugging-pipe about:blank 3<&0 4>&1 </dev/null >&2";

/// A page, in a browser of its own that ends with it.
pub struct Page {
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    sent: u64,
    session: Option<String>,
    said: NamedTempFile,
    _process: Child,
    _profile: TempDir,
}

impl Page {
    pub async fn open(url: &str) -> Self {
        let mut page = Self::start();
        let made = page.ask("Target.createTarget", json!({"url": url})).await;
        let target = json!({"targetId": made["targetId"], "flatten": true});
        let attached = page.ask("Target.attachToTarget", target).await;
        page.session = attached["sessionId"].as_str().map(str::to_owned);
        assert!(page.session.is_some(), "{attached}");
        page
    }

    fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let said = NamedTempFile::new().unwrap();
        let mut process = Command::new("bash")
            .args(["-c", OVER_A_PIPE, "bash"])
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(said.reopen().unwrap()))
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            commands: process.stdin.take().unwrap(),
            answers: BufReader::new(process.stdout.take().unwrap()),
            sent: 0,
            session: None,
            said,
            _process: process,
            _profile: profile,
        }
    }

    pub async fn press(&mut self, selector: &str) {
        self.on(selector, "found.click(); return true").await;
    }

    pub async fn fill(&mut self, selector: &str, text: &str) {
        // The page's framework sees a value only where the event tells it of one that it has not set.
        let act = format!(
            "const field = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value');
             field.set.call(found, {});
             found.dispatchEvent(new Event('input', {{bubbles: true}}));
             return true",
            Value::from(text)
        );
        self.on(selector, &act).await;
    }

    /// Waits until `text` is shown there.
    pub async fn shows(&mut self, selector: &str, text: &str) {
        let act = format!("return found.textContent.includes({})", Value::from(text));
        self.on(selector, &act).await;
    }

    /// What the page's console was told.
    pub fn console(&self) -> Vec<String> {
        console(&self.said())
    }

    fn said(&self) -> Vec<u8> {
        std::fs::read(self.said.path()).unwrap()
    }

    /// Runs `act` on what is `found` there, until it returns true.
    async fn on(&mut self, selector: &str, act: &str) {
        let script = format!(
            "(() => {{ const found = document.querySelector({}); if (!found) return false; {act} }})()",
            Value::from(selector)
        );
        let parameters = json!({"expression": script, "returnByValue": true});
        let limit = Instant::now() + LIMIT;
        loop {
            let answer = self.ask("Runtime.evaluate", parameters.clone()).await;
            if answer["result"]["value"] == true {
                return;
            }
            assert!(
                Instant::now() < limit,
                "never: {act} on {selector}: {answer}"
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.sent += 1;
        let mut command = json!({"id": self.sent, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            command["sessionId"] = Value::from(session.as_str());
        }
        let command = format!("{command}\0");
        // Where nobody listens, nobody answers, which tells more.
        let _ = self.commands.write_all(command.as_bytes()).await;
        let answered = tokio::time::timeout(LIMIT, self.answer()).await;
        answered.expect("the browser does not answer")
    }

    /// The answer to the latest command; whatever else is told is passed over.
    async fn answer(&mut self) -> Value {
        loop {
            let mut message = Vec::new();
            self.answers.read_until(0, &mut message).await.unwrap();
            let is_whole = message.pop() == Some(0);
            assert!(
                is_whole,
                "the browser has ended: {}",
                String::from_utf8_lossy(&self.said())
            );
            let mut message: Value = serde_json::from_slice(&message).unwrap();
            if message["id"] == self.sent {
                return message["result"].take();
            }
        }
    }
}
