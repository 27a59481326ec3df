//! What the promises share: the real binary as a process, and a plain HTTP client to ask it.
//!
//! Each test has its own directory and ports. Every wait ends at [`LIMIT`], or at twice that.

#![expect(dead_code, reason = "each promise uses a part of this")]

pub mod faulty;
pub mod kubernetes;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use erpgo_test_kit::capture::{self, Captured};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

/// The longest that anything may take; generous, since the machine may be busy.
pub const LIMIT: Duration = Duration::from_secs(30);
/// Logins that succeeded.
pub const LOGINS: &str = "erpgo_sidecar_logins_total{result=\"ok\"}";
/// Reads that got no answer, or one of a server that is not in charge.
pub const UNREACHABLE: &str = "erpgo_sidecar_reads_total{result=\"failed\",class=\"unreachable\"}";

/// The control token of every test, a canary too.
pub const TOKEN: &str = "canary-control-token-5d41402abc4b2a76";

/// The access key of every test with AWS, a canary too.
pub const AWS_KEY: &str = "wJalrXUtnFEMI-K7MDENG-bPxRfiCY-canary-key";

/// A directory with the files that a pod has.
pub struct Pod {
    dir: Arc<tempfile::TempDir>,
    env: Vec<(String, String)>,
}

impl Pod {
    pub fn new() -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        std::fs::create_dir(dir.path().join("secrets")).unwrap();
        let pod = Self {
            dir,
            env: Vec::new(),
        };
        let token = pod.file("control-token", TOKEN);
        let secrets = pod.secrets();
        pod.with("SIDECAR_SECRETS_DIR", secrets.to_str().unwrap())
            .with("SIDECAR_CONTROL_TOKEN_FILE", &token)
            .with("SIDECAR_CONTROL_LISTEN", "127.0.0.1:0")
            .with("SIDECAR_ACK_LISTEN", "127.0.0.1:0")
    }

    /// A pod whose document is in a Secret behind `url`.
    pub fn kubernetes(url: &str, token: &str) -> Self {
        let pod = Self::new();
        let token = pod.file("sa-token", token);
        pod.with("SIDECAR_BACKEND", "kubernetes")
            .with("SIDECAR_KUBERNETES_URL", url)
            .with("SIDECAR_KUBERNETES_NAMESPACE", "shop")
            .with("SIDECAR_KUBERNETES_SECRET", "shop-secret-set")
            .with("SIDECAR_KUBERNETES_TOKEN_FILE", &token)
    }

    /// A pod whose document is in a Vault behind `address`, logging in by AppRole.
    pub fn vault(address: &str, role_id: &str, secret_id: &str) -> Self {
        let pod = Self::new();
        let (role, secret) = (
            pod.file("role-id", role_id),
            pod.file("secret-id", secret_id),
        );
        pod.with("SIDECAR_BACKEND", "vault")
            .with("SIDECAR_VAULT_ADDRESS", address)
            .with("SIDECAR_VAULT_PATH", "erpgo/shop")
            .with("SIDECAR_VAULT_AUTH", "approle")
            .with("SIDECAR_VAULT_ROLE_ID_FILE", &role)
            .with("SIDECAR_VAULT_SECRET_ID_FILE", &secret)
    }

    /// A pod whose document is in AWS Secrets Manager behind `url`, with an access key.
    pub fn aws(url: &str) -> Self {
        let pod = Self::new();
        let id = pod.file("access-key-id", "AKIAIOSFODNN7EXAMPLE");
        let key = pod.file("secret-access-key", AWS_KEY);
        pod.with("SIDECAR_BACKEND", "aws")
            .with("SIDECAR_AWS_REGION", "eu-central-1")
            .with("SIDECAR_AWS_SECRET_ID", "erpgo/shop")
            .with("SIDECAR_AWS_ENDPOINT", url)
            .with("SIDECAR_AWS_STS_ENDPOINT", url)
            .with("SIDECAR_AWS_AUTH", "files")
            .with("SIDECAR_AWS_ACCESS_KEY_ID_FILE", &id)
            .with("SIDECAR_AWS_SECRET_ACCESS_KEY_FILE", &key)
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn secrets(&self) -> PathBuf {
        self.dir.path().join("secrets")
    }

    /// Starts the binary without waiting for anything.
    pub fn spawn(&self) -> Captured {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sidecar-secrets"));
        command.arg("run").env_clear();
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        capture::spawn(command).unwrap()
    }

    /// Starts the binary and waits until it listens.
    pub async fn start(&self) -> Sidecar {
        let mut process = self.spawn();
        let line = process
            .wait_for_line(r#""msg":"started""#, LIMIT)
            .await
            .unwrap();
        let started: Value = serde_json::from_str(&line).unwrap();
        let port = |name: &str| started[name].as_str().unwrap().parse().unwrap();
        Sidecar {
            control: port("control_port"),
            ack: port("ack_port"),
            process,
            _dir: Arc::clone(&self.dir),
        }
    }
}

/// A running sidecar.
pub struct Sidecar {
    pub control: u16,
    pub ack: u16,
    pub process: Captured,
    // The files live as long as the process that reads them.
    _dir: Arc<tempfile::TempDir>,
}

impl Sidecar {
    /// `GET /v1/state` with the token.
    pub async fn state(&self) -> Value {
        let answer = Request::get("/v1/state")
            .bearer(TOKEN)
            .send(self.control)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// Asks for the state until `wanted` holds.
    pub async fn state_where(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.state_within(LIMIT, wanted).await
    }

    /// The same with a limit of one's own, for what may take longer than anything else.
    pub async fn state_within(&self, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        let asked = async {
            loop {
                let state = self.state().await;
                if wanted(&state) {
                    return state;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(limit, asked).await {
            Ok(state) => state,
            Err(_) => panic!("state is {}; {}", self.state().await, self.process.tail()),
        }
    }

    pub async fn metric(&self, series: &str) -> Option<u64> {
        let page = Request::get("/metrics").send(self.control).await.body;
        let line = page.lines().find_map(|line| line.strip_prefix(series))?;
        line.trim().parse().ok()
    }

    /// Waits until `series` has come so far, which may take the lives of several tokens.
    pub async fn counts(&self, series: &str, count: u64) {
        let reached = async {
            while self.metric(series).await < Some(count) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let reached = tokio::time::timeout(LIMIT * 2, reached).await;
        assert!(reached.is_ok(), "{series}: {}", self.process.tail());
    }
}

/// Everything that the process could write to: heap, stacks, statics. Read as its parent may.
pub fn memory(pid: u32) -> Vec<u8> {
    use std::os::unix::fs::FileExt as _;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut seen = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let from = u64::from_str_radix(from, 16).unwrap();
        let to = u64::from_str_radix(to, 16).unwrap();
        let mut region = vec![0; usize::try_from(to - from).unwrap()];
        // A region may go away, or be none that can be read, while this looks.
        if memory.read_exact_at(&mut region, from).is_ok() {
            seen.append(&mut region);
        }
    }
    seen
}

/// Where in `memory` the text is, with what is around it.
pub fn find(memory: &[u8], text: &str) -> Option<String> {
    let at = memory
        .windows(text.len())
        .position(|window| window == text.as_bytes())?;
    let around = &memory[at.saturating_sub(60)..(at + 100).min(memory.len())];
    Some(String::from_utf8_lossy(around).into_owned())
}

/// One HTTP request, written by hand so that nothing tidies it up.
pub struct Request {
    head: String,
    body: String,
}

pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Request {
    pub fn new(method: &str, path: &str) -> Self {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\n");
        Self {
            head,
            body: String::new(),
        }
    }

    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn body(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self.header("content-length", &body.len().to_string())
    }

    /// Sends it to a port on loopback; status 0 says that the connection was closed unanswered.
    pub async fn send(self, port: u16) -> Answer {
        tokio::time::timeout(LIMIT * 3, self.exchange(port))
            .await
            .unwrap()
    }

    async fn exchange(self, port: u16) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let text = format!("{}\r\n{}", self.head, self.body);
        // A server that refuses early may close before all is written.
        let _ = stream.write_all(text.as_bytes()).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        let text = String::from_utf8(bytes).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return Answer {
                status: 0,
                body: text,
            };
        };
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            body: body.to_owned(),
        }
    }
}

/// A valid document of `generation`; every value carries `mark`.
pub fn document(generation: u64, mark: &str) -> String {
    let key = |name: &str, value: &str| {
        let kid = format!("{name}-{generation}");
        format!(
            r#""{name}":{{"current":{{"kid":"{kid}","created_at":"2026-08-01T00:00:00Z","value":"{value}{mark}"}}}}"#
        )
    };
    let keys = [
        key("jwt", "mU3xQ9vT1zL7pW5kR2nB8cD4fG6hJ0sYaEoIuXtVrNq"),
        key("refresh", "Zk4uP0yH8wC2mS6bF1xJ5vN9tR3dL7gQaTeYiWoUzXp"),
        key("pepper", "b7VhK2sXw9RfTq4Lm1Zc"),
        key("database", "postgres://erp:hunter2@db:5432/erp"),
    ];
    format!(
        r#"{{"generation":{generation},"keys":{{{}}}}}"#,
        keys.join(",")
    )
}

/// The app's answer that it uses `generation`.
pub fn ack(generation: u64) -> String {
    format!(
        r#"{{"generation":{generation},"verdict":"ack","accepted":[{{"key":"jwt","kid":"jwt-{generation}"}}],"in_use":[{{"key":"jwt","kid":"jwt-{generation}"}}]}}"#
    )
}

/// The generation in the directory, read as an app reads it.
pub fn rendered(secrets: &Path) -> Option<u64> {
    let data = secrets.join(std::fs::read_link(secrets.join("..data")).ok()?);
    let manifest = std::fs::read_to_string(data.join("manifest.json")).ok()?;
    serde_json::from_str::<Value>(&manifest).ok()?["generation"].as_u64()
}

impl Sidecar {
    /// Tells the app's verdict and returns the status of the answer.
    pub async fn answer(&self, body: &str) -> u16 {
        Request::new("POST", "/v1/ack")
            .body(body)
            .send(self.ack)
            .await
            .status
    }

    /// Nudges and waits for the answer.
    pub async fn nudge(&self, generation: u64, seconds: u64) -> Answer {
        nudge(self.control, generation, seconds).await
    }

    /// Waits until `generation` is rendered.
    pub async fn renders(&self, generation: u64) -> Value {
        self.state_where(|state| state["rendered_generation"] == generation)
            .await
    }

    /// Waits until the class of the last failure is `class`.
    pub async fn fails_with(&self, class: &str) -> Value {
        self.state_where(|state| state["backend"]["error_class"] == class)
            .await
    }

    /// Waits until the backend is well again.
    pub async fn recovers(&self) -> Value {
        self.state_where(|state| state["backend"]["healthy"] == true)
            .await
    }
}

/// Nudges the sidecar at `control`.
pub async fn nudge(control: u16, generation: u64, seconds: u64) -> Answer {
    let path = format!("/v1/generation/{generation}?timeout_seconds={seconds}");
    Request::new("PUT", &path).bearer(TOKEN).send(control).await
}

/// The app's answer that it refuses `generation`.
pub fn nack(generation: u64) -> String {
    format!(r#"{{"generation":{generation},"verdict":"nack","reasons":["jwt is too short"]}}"#)
}
