//! Bytes to the program as no client library would send them, and its answers as they come back.

use std::net::SocketAddr;
use std::time::Duration;

use erpgo::error::Code;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::errors::is_problem;
use crate::world::Answer;

/// Far more than any of it takes, for a machine that is busy with other tests.
const LIMIT: Duration = Duration::from_secs(60);

/// How a client sends.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// As fast as it goes.
    AtOnce,
    /// One byte after another, each in a packet of its own and with this time between them, over and over,
    /// until nobody listens.
    Endless(Duration),
}

/// Sends `head` at once and `rest` at `pace`, and reads until the program closes the connection.
pub async fn exchange(api: SocketAddr, head: &[u8], rest: &[u8], pace: Pace) -> Vec<Answer> {
    let mut stream = TcpStream::connect(api).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut received = Vec::new();
    let sending = async {
        // It may close before everything is sent, with an answer on its way.
        let _ = writer.write_all(head).await;
        send(&mut writer, rest, pace).await;
        std::future::pending::<()>().await;
    };
    let closed = tokio::time::timeout(LIMIT, async {
        tokio::select! {
            // A reset is an end, too: what was not read of the request is thrown away.
            _ = reader.read_to_end(&mut received) => {},
            () = sending => {},
        }
    });
    let said = closed.await;
    let shown = String::from_utf8_lossy(&received[..received.len().min(500)]).into_owned();
    assert!(said.is_ok(), "never closed after {shown:?}");
    answers(&received)
}

async fn send(writer: &mut (impl tokio::io::AsyncWrite + Unpin), rest: &[u8], pace: Pace) {
    match pace {
        Pace::AtOnce => drop(writer.write_all(rest).await),
        Pace::Endless(pause) => {
            for byte in rest.iter().cycle() {
                if writer.write_all(&[*byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// Sends `bytes`, says that no more follow, and reads what comes of it.
pub async fn cut_off(api: SocketAddr, bytes: &[u8]) -> Vec<Answer> {
    let mut stream = TcpStream::connect(api).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut received = Vec::new();
    let ended = tokio::time::timeout(LIMIT, stream.read_to_end(&mut received)).await;
    assert!(ended.is_ok(), "never closed");
    answers(&received)
}

/// Sends `bytes` and leaves the connection open; it ends with what is returned.
pub async fn hold(api: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(api).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

pub fn answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let (answer, rest) = first(bytes);
        answers.push(answer);
        bytes = rest;
    }
    answers
}

fn first(bytes: &[u8]) -> (Answer, &[u8]) {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.expect("a whole head");
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let headers: HeaderMap = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect();
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.map_or(0, |length| length.to_str().unwrap().parse().unwrap());
    let (body, rest) = bytes[end + 4..].split_at(length);
    let answer = Answer {
        status: StatusCode::from_bytes(status.as_bytes()).unwrap(),
        headers,
        text: String::from_utf8(body.to_vec()).unwrap(),
    };
    (answer, rest)
}

/// Each answer in a few words: a problem by its code, anything else by its bare status. Asserts that what
/// has a body and is a refusal is a whole problem with a documented code.
pub fn told(answers: &[Answer]) -> String {
    let words: Vec<_> = answers.iter().map(told_one).collect();
    words.join(", ")
}

fn told_one(answer: &Answer) -> String {
    let status = answer.status.as_str();
    if answer.text.is_empty() || answer.status.is_success() {
        return status.to_owned();
    }
    let problem = is_problem(answer);
    let code = problem["code"].as_str().unwrap();
    assert!(
        Code::ALL.iter().any(|known| known.as_str() == code),
        "{problem}"
    );
    format!("{status} {code}")
}

/// Holds the single answer to `sent` against the document, where its request line can be read.
pub fn conforms(sent: &[u8], answers: &[Answer]) {
    let [answer] = answers else { return };
    let line = sent.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let method = words.next().map(Method::from_bytes);
    let path = words.next().map(std::str::from_utf8);
    // What was never a request for the program has no place in its document.
    if let (Some(Ok(method)), Some(Ok(path)), false) = (method, path, answer.text.is_empty()) {
        crate::conform::check(&method, path, answer);
    }
}
