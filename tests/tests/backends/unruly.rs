//! A proxy before moto for what AWS does and moto cannot be made to do: throttle, show for a moment what
//! a write has replaced, refuse a token. It also refuses another value for a version that is there, which
//! moto overwrites while that bears AWSPENDING. And it asks moto one thing after the other, since two
//! requests at once that AWS keeps apart run into each other there.
//!
//! What it lets through is answered by moto alone; it has no secret to give.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex as Turn;
use tokio::task::JoinHandle;

const READ: &str = "secretsmanager.GetSecretValue";
const WRITE: &str = "secretsmanager.PutSecretValue";
const MOVE: &str = "secretsmanager.UpdateSecretVersionStage";
const THROTTLED: &str = r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#;
const EXISTS: &str = r#"{"__type":"ResourceExistsException","message":"The token is in use"}"#;
const REFUSED: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code>\
    <Message>No OpenIDConnect provider found</Message></Error></ErrorResponse>";

/// How often a request is throttled that is throttled until [`Unruly::calm`].
pub const FOR_LONG: usize = usize::MAX;

/// A running proxy; it ends with its handle.
pub struct Unruly {
    port: u16,
    mood: Arc<Mutex<Mood>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Mood {
    // How many requests pass before the next ones are throttled, and how many those are.
    through: usize,
    throttles: usize,
    throttled: usize,
    // What the newest read showed, and the last one before each write, oldest first.
    newest: Option<Answer>,
    past: Vec<Answer>,
    // What the next reads show, which lag behind.
    old: VecDeque<Answer>,
    reads: usize,
    // Whose values are fixed, by the token of the write.
    versions: BTreeMap<String, Value>,
}

#[derive(Clone)]
struct Answer {
    status: u16,
    body: String,
}

struct Request {
    head: String,
    body: String,
}

impl Unruly {
    /// Stands before `target`.
    pub async fn before(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mood = Arc::new(Mutex::new(Mood::default()));
        let shared = Arc::clone(&mood);
        let target = Arc::new(Turn::new(target));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&target), Arc::clone(&shared)));
            }
        });
        Self { port, mood, task }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Lets this many requests pass and throttles as many of the next ones as `times` says.
    pub fn throttle_after(&self, through: usize, times: usize) {
        let mut mood = self.mood.lock().unwrap();
        (mood.through, mood.throttles) = (through, times);
    }

    /// Throttles no more.
    pub fn calm(&self) {
        self.throttle_after(0, 0);
    }

    /// How many requests it has throttled.
    pub fn throttled(&self) -> usize {
        self.mood.lock().unwrap().throttled
    }

    /// The next reads are answered as the last one before the last write was.
    pub fn lag(&self, reads: usize) {
        let mut mood = self.mood.lock().unwrap();
        let before = mood.past.last().cloned().into_iter();
        mood.old = before.cycle().take(reads).collect();
    }

    /// The next reads are answered as those before each write were, one after the other.
    pub fn lag_from_the_first(&self) {
        let mut mood = self.mood.lock().unwrap();
        mood.old = mood.past.iter().cloned().collect();
    }

    /// How many of these reads are still to come.
    pub fn lags(&self) -> usize {
        self.mood.lock().unwrap().old.len()
    }

    /// How many reads there were.
    pub fn reads(&self) -> usize {
        self.mood.lock().unwrap().reads
    }
}

impl Drop for Unruly {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Mood {
    // The answer that moto is not asked for.
    fn meddle(&mut self, request: &Request) -> Option<Answer> {
        if request.is_for_sts() {
            return Some(refusal(REFUSED));
        }
        self.reads += usize::from(request.is(READ));
        if self.throttles > 0 && self.through == 0 {
            self.throttles -= 1;
            self.throttled += 1;
            return Some(refusal(THROTTLED));
        }
        self.through = self.through.saturating_sub(1);
        if request.is(READ)
            && let Some(old) = self.old.pop_front()
        {
            return Some(old);
        }
        self.overwrites(request).then(|| refusal(EXISTS))
    }

    fn overwrites(&self, request: &Request) -> bool {
        let body = request.json();
        let token = body["ClientRequestToken"].as_str().unwrap_or_default();
        let known = self.versions.get(token);
        request.is(WRITE) && known.is_some_and(|value| *value != body["SecretString"])
    }

    fn note(&mut self, request: &Request, answer: &Answer) {
        let body = request.json();
        if answer.status != 200 {
            return;
        }
        if request.is(READ) {
            self.newest = Some(answer.clone());
        }
        if request.is(MOVE) && body["VersionStage"] == "AWSCURRENT" {
            self.past.extend(self.newest.take());
        }
        if request.is(WRITE) {
            let token = body["ClientRequestToken"].as_str().unwrap_or_default();
            self.versions
                .insert(token.to_owned(), body["SecretString"].clone());
        }
    }
}

impl Request {
    fn is(&self, action: &str) -> bool {
        self.header("x-amz-target") == Some(action)
    }

    // The one service here whose requests are forms.
    fn is_for_sts(&self) -> bool {
        self.body.starts_with("Action=")
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    fn header(&self, wanted: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    }

    // None when the connection ends before the request does.
    async fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        loop {
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
            let text = std::str::from_utf8(&bytes).ok()?;
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let (head, body) = (head.to_owned(), body.to_owned());
            let request = Self { head, body };
            let length = request.header("content-length").unwrap_or("0");
            if request.body.len() >= length.parse().ok()? {
                return Some(request);
            }
        }
    }
}

fn refusal(body: &str) -> Answer {
    Answer {
        status: 400,
        body: body.to_owned(),
    }
}

async fn serve(mut stream: TcpStream, target: Arc<Turn<String>>, mood: Arc<Mutex<Mood>>) {
    let Some(request) = Request::read(&mut stream).await else {
        return;
    };
    let target = target.lock().await;
    let meddled = mood.lock().unwrap().meddle(&request);
    let answer = match meddled {
        Some(answer) => answer,
        None => {
            let answer = forward(&target, &request).await;
            mood.lock().unwrap().note(&request, &answer);
            answer
        }
    };
    drop(target);
    let Answer { status, body } = answer;
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status} Answer\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    // Who asked may have gone away.
    let _ = stream.write_all(text.as_bytes()).await;
}

async fn forward(target: &str, request: &Request) -> Answer {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut sent = client.post(target).body(request.body.clone());
    for name in [
        "authorization",
        "content-type",
        "x-amz-date",
        "x-amz-target",
    ] {
        if let Some(value) = request.header(name) {
            sent = sent.header(name, value);
        }
    }
    let answer = sent.send().await.unwrap();
    Answer {
        status: answer.status().as_u16(),
        body: answer.text().await.unwrap(),
    }
}
