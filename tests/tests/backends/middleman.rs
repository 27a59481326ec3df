//! A proxy before one server of Vault that counts what is asked and can keep the answer to a write.
//!
//! What it lets through is answered by that server alone. A write whose answer it keeps is done: who asked
//! hears nothing of it, and then that the connection broke.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context as _, Result, bail};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use kube::client::Body;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::http;

const HEADERS: [&str; 2] = ["content-type", "x-vault-token"];

/// A running proxy; it ends with its handle.
pub struct Middleman {
    url: String,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    target: String,
    client: reqwest::Client,
    asked: AtomicUsize,
    // Whether the answer to the next write that is done is kept.
    keeps: AtomicBool,
    kept: Notify,
    is_over: Notify,
}

impl Middleman {
    /// Stands before `target`.
    pub async fn before(target: String) -> Self {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        let state = Arc::new(State {
            target,
            client: client.build().unwrap(),
            asked: AtomicUsize::new(0),
            keeps: AtomicBool::new(false),
            kept: Notify::new(),
            is_over: Notify::new(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::clone(&state);
        let handle = move |request| pass(Arc::clone(&shared), request);
        let task = tokio::spawn(http::serve(listener, handle));
        Self { url, state, task }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many requests there were.
    pub fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// Keeps the answer to the next write that is done.
    pub fn keep(&self) {
        self.state.keeps.store(true, Ordering::SeqCst);
    }

    /// Whether it has kept it.
    pub fn has_kept(&self) -> bool {
        !self.state.keeps.load(Ordering::SeqCst)
    }

    /// Waits until it has.
    pub async fn until_kept(&self) {
        self.state.kept.notified().await;
    }

    /// Breaks the connection of who waits for the answer.
    pub fn lose(&self) {
        self.state.is_over.notify_one();
    }
}

impl Drop for Middleman {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>> {
    state.asked.fetch_add(1, Ordering::SeqCst);
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let path = head.uri.path_and_query().context("no path")?;
    let url = format!("{}{path}", state.target);
    let mut sent = state.client.request(head.method.clone(), url).body(body);
    for name in HEADERS {
        if let Some(value) = head.headers.get(name) {
            sent = sent.header(name, value);
        }
    }
    let answer = sent.send().await?;
    let (status, body) = (answer.status(), answer.bytes().await?);
    let is_write = head.method == Method::POST && path.path().contains("/data/");
    if is_write && status.is_success() && state.keeps.swap(false, Ordering::SeqCst) {
        state.kept.notify_one();
        state.is_over.notified().await;
        bail!("the answer is kept");
    }
    Ok(Response::builder().status(status).body(Body::from(body))?)
}
