//! A server that answers wrongly, for what a real backend cannot be made to do on demand:
//! throttle, stall, break off, send too much.
//!
//! It stands in for no backend that works: it has no document to give.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What is sent for every request.
#[derive(Clone)]
pub enum Fault {
    /// A status line and headers with an empty JSON object.
    Status(&'static str),
    /// The head and a part of the body, then nothing.
    Stall,
    /// The head and a part of the body, then the end.
    Truncate,
    /// More than any document.
    Oversize,
    /// A whole body that is no answer, with a canary in it.
    Text(&'static str),
    /// A status line and a whole JSON body.
    Answer(&'static str, String),
}

/// A server with one fault.
pub struct Faulty {
    pub port: u16,
    requests: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Faulty {
    pub async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, fault.clone(), Arc::clone(&seen)));
            }
        });
        Self { port, requests }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Holds the waits between the first five requests to the bounds of the schedule: jitter from half a
    /// second up to 1, 2, 4 and 8 s, and a moment more for an attempt.
    pub fn was_asked_within_the_bounds(&self) {
        let times = self.times();
        let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.len() >= 4, "{gaps:?}");
        for (gap, most) in gaps.iter().zip([1, 2, 4, 8].map(Duration::from_secs)) {
            assert!(*gap >= Duration::from_millis(480), "{gaps:?}");
            assert!(*gap <= most + Duration::from_secs(4), "{gaps:?}");
        }
    }

    /// When each request came.
    pub fn times(&self) -> Vec<Instant> {
        self.requests
            .lock()
            .unwrap()
            .iter()
            .map(|(at, _)| *at)
            .collect()
    }

    /// The head of each request.
    pub fn heads(&self) -> Vec<String> {
        self.requests
            .lock()
            .unwrap()
            .iter()
            .map(|(_, head)| head.clone())
            .collect()
    }
}

async fn serve(mut stream: TcpStream, fault: Fault, seen: Arc<Mutex<Vec<(Instant, String)>>>) {
    let mut buffer = vec![0; 32 * 1024];
    let count = stream.read(&mut buffer).await.unwrap_or(0);
    let head = String::from_utf8_lossy(&buffer[..count]).into_owned();
    seen.lock().unwrap().push((Instant::now(), head));
    let sent = match fault {
        Fault::Status(head) => format!("HTTP/1.1 {head}\r\ncontent-length: 2\r\n\r\n{{}}"),
        Fault::Stall | Fault::Truncate => {
            "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"data\":".to_owned()
        }
        Fault::Oversize => {
            let body = "x".repeat(300 * 1024);
            format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        }
        Fault::Answer(status, ref body) => {
            let length = body.len();
            format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}")
        }
        Fault::Text(body) => {
            format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        }
    };
    let _ = stream.write_all(sent.as_bytes()).await;
    if matches!(fault, Fault::Stall) {
        // Longer than the sidecar's own deadline; the test's end ends it.
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}
