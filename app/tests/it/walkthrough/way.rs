//! A way to the program by which a client that is not ours is answered.
//!
//! Owns [`Way`]: what passes is the program's answer, unchanged and whole, and is held against the document.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, header};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::conform::judged;
use crate::world::Answer;

/// What a request of a guide may hold.
const MOST: usize = 1 << 20;

pub struct Way {
    pub address: SocketAddr,
    seen: Seen,
    task: JoinHandle<()>,
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How many answers have passed, and their faults.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<(usize, Vec<String>)>>);

#[derive(Clone)]
struct Forward {
    api: SocketAddr,
    client: reqwest::Client,
    seen: Seen,
}

/// A way to `api`, until it is dropped.
pub async fn to(api: SocketAddr) -> Way {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Seen::default());
    let forward = Forward {
        api,
        client: reqwest::Client::builder().no_proxy().build().unwrap(),
        seen: seen.clone(),
    };
    let router = Router::new().fallback(pass).with_state(forward);
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Way {
        address,
        seen,
        task,
    }
}

impl Way {
    /// How many answers have passed, and what they are at fault with.
    pub fn judged(&self) -> (usize, Vec<String>) {
        self.seen.0.lock().unwrap().clone()
    }
}

async fn pass(State(forward): State<Forward>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let url = format!("http://{}{}", forward.api, head.uri);
    let asked = forward
        .client
        .request(head.method.clone(), url)
        .headers(of_no_connection(head.headers))
        .body(to_bytes(body, MOST).await.unwrap());
    let answer = asked.send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let bytes = answer.bytes().await.unwrap();
    let answer = Answer {
        status,
        headers,
        text: String::from_utf8_lossy(&bytes).into_owned(),
    };
    let fault = judged(&head.method, head.uri.path(), &answer);
    forward.seen.one_more(fault);
    passed_on(answer, bytes)
}

impl Seen {
    fn one_more(&self, fault: Result<(), String>) {
        let mut seen = self.0.lock().unwrap();
        seen.0 += 1;
        seen.1.extend(fault.err());
    }
}

fn passed_on(answer: Answer, bytes: Bytes) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = answer.status;
    *response.headers_mut() = of_no_connection(answer.headers);
    response
}

/// What either connection says for itself is left out.
fn of_no_connection(mut headers: HeaderMap) -> HeaderMap {
    for name in [
        header::HOST,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
    ] {
        headers.remove(name);
    }
    headers
}
