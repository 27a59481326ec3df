//! The real program, served on ports of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use erpgo_test_kit::capture::{self, Captured};
use erpgo_test_kit::port;
use erpgo_test_kit::postgres::TestDatabase;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::world::{ADMIN, Answer, DEV_SECRETS, PASSWORD, access};

pub const LIMIT: Duration = Duration::from_secs(20);
/// What an end does, in its order.
pub const HOOKS: [&str; 7] = [
    "readiness",
    "requests",
    "tasks",
    "audit",
    "database",
    "redis",
    "telemetry",
];
/// Hashes cost next to nothing.
pub const QUICK: &str = "auth: { hash_memory_kib: 8, hash_iterations: 1 }\n";

pub struct Program {
    pub process: Captured,
    pub api: SocketAddr,
    pub metrics: SocketAddr,
    directory: Option<tempfile::TempDir>,
}

/// Serves on `database`, has its administrator and is ready.
pub async fn served(database: &TestDatabase, config: &str) -> Program {
    administrator(&database.url(), ADMIN, PASSWORD).await;
    let program = start(&database.url(), config);
    program.is_ready().await;
    program
}

pub fn start(database_url: &str, config: &str) -> Program {
    start_with(database_url, config, &[])
}

pub fn start_with(database_url: &str, config: &str, variables: &[(&str, &str)]) -> Program {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.yaml");
    std::fs::write(&file, config).unwrap();
    let mut program = start_on(database_url, &file, variables);
    program.directory = Some(directory);
    program
}

/// Serves with the settings in `file`, which the caller keeps.
pub fn start_on(database_url: &str, file: &Path, variables: &[(&str, &str)]) -> Program {
    let (api, metrics) = (port::address(), port::address());
    let mut command = Command::new(env!("CARGO_BIN_EXE_erpgo"));
    command
        .args(["serve", "--config"])
        .arg(file)
        .env_clear()
        .envs(DEV_SECRETS)
        .envs(variables.iter().copied())
        .env("DATABASE_URL", database_url)
        .env("ERPGO_LISTEN", api.to_string())
        .env("ERPGO_METRICS_LISTEN", metrics.to_string());
    Program {
        process: capture::spawn(command).unwrap(),
        api,
        metrics,
        directory: None,
    }
}

pub async fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let answer = ask(address, (Method::GET, path), "", "").await?;
    Some((answer.status.as_u16(), answer.text))
}

/// Posts `body` as JSON, with further lines of the head in `headers`.
pub async fn post(address: SocketAddr, path: &str, headers: &str, body: &Value) -> Option<Answer> {
    let headers = format!("content-type: application/json\r\n{headers}");
    ask(address, (Method::POST, path), &headers, &body.to_string()).await
}

/// What is answered over a connection of its own, if it is answered whole; held against the document.
pub async fn ask(
    address: SocketAddr,
    (method, path): (Method, &str),
    headers: &str,
    body: &str,
) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok()?;
    heard((&method, path), &text)
}

/// What `text`, as it came over a connection, says in answer, if it is whole; held against the document.
pub fn heard((method, path): (&Method, &str), text: &str) -> Option<Answer> {
    let answer = understood(text)?;
    let path = path.split('?').next().unwrap_or(path);
    crate::conform::check(method, path, &answer);
    Some(answer)
}

fn understood(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        headers.append(
            HeaderName::try_from(name).ok()?,
            HeaderValue::from_str(value).ok()?,
        );
    }
    let length = headers.get(header::CONTENT_LENGTH);
    let is_whole = length.is_none_or(|length| *length == body.len().to_string());
    is_whole.then(|| Answer {
        status,
        headers,
        text: body.to_owned(),
    })
}

impl Program {
    pub async fn is_ready(&self) {
        let limit = tokio::time::Instant::now() + LIMIT;
        while get(self.api, "/health/ready")
            .await
            .map(|(status, _)| status)
            != Some(200)
        {
            assert!(
                tokio::time::Instant::now() < limit,
                "never ready: {}",
                self.process.tail()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// An access token of the administrator.
    pub async fn signed_in(&self) -> String {
        let body = json!({"email": ADMIN, "password": PASSWORD});
        let answer = post(self.api, "/api/v1/auth/login", "", &body).await;
        access(&answer.unwrap().expect(200).json())
    }

    /// The number of a series, whose labels are as they are written; 0 while there is none.
    pub async fn metric(&self, series: &str) -> i64 {
        let (_, text) = get(self.metrics, "/metrics").await.unwrap();
        let start = format!("{series} ");
        let mut values = text.lines().filter_map(|line| line.strip_prefix(&*start));
        let value = values.next();
        value.map_or(0, |value| value.trim().parse().unwrap())
    }

    /// The hooks of its end that the log says are done.
    pub fn hooks_done(&self) -> Vec<String> {
        let messages = self.messages();
        let done = messages
            .iter()
            .filter(|line| line["message"] == "shutdown hook done");
        done.map(|line| line["hook"].as_str().unwrap().to_owned())
            .collect()
    }

    pub fn messages(&self) -> Vec<Value> {
        self.process
            .stdout()
            .iter()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
            .collect()
    }
}

/// The first administrator, with this password, made by the program itself.
pub async fn administrator(database_url: &str, email: &str, password: &str) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("email"), email).unwrap();
    std::fs::write(directory.path().join("password"), password).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_erpgo"))
        .arg("migrate")
        .env_clear()
        .envs(DEV_SECRETS)
        .env("DATABASE_URL", database_url)
        .env("ERPGO_BOOTSTRAP_DIR", directory.path())
        .env("ERPGO_TERMINATION_LOG", directory.path().join("report"))
        .output();
    let output = output.await.unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{complaint}");
}
