//! A gate before the API server that shuts after a chosen write.
//!
//! Owns the count of the writes that the server has accepted. When it is reached, the answer to the last
//! one and whatever else is asked are held back for good: who asked has made so many writes and can make
//! no other, knows nothing of the last one, and is to be killed there. Leases and Events are not
//! counted, since no rotation goes on from either. Every delete is kept as well, with what it is bound
//! to. The gate is asked by plain HTTP; the token in each request is judged by the server.

use std::future::pending;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use erpgo_test_kit::apiserver::TestCluster;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use kube::config::AuthInfo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::http;

const WRITES: [Method; 4] = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
const NOT_COUNTED: [&str; 2] = ["events", "leases"];

/// A running gate; it ends with its handle.
pub struct Gate {
    url: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

/// A delete that was asked for, accepted or not.
#[derive(Clone, Debug)]
pub struct Delete {
    /// Of what.
    pub path: String,
    /// What must hold for it; null when nothing must.
    pub preconditions: Value,
}

#[derive(Default)]
struct State {
    /// What was accepted, such as `PATCH erpgos/shop/status`.
    writes: Vec<String>,
    /// Every delete since the beginning.
    deletes: Vec<Delete>,
    /// Writes that the server has not answered yet.
    underway: usize,
    /// After how many it shuts.
    last: Option<usize>,
}

impl State {
    fn is_shut(&self) -> bool {
        self.last.is_some_and(|last| self.writes.len() >= last)
    }

    fn answered(&mut self, write: String, accepted: bool) {
        self.underway -= 1;
        if accepted {
            self.writes.push(write);
        }
    }
}

impl Gate {
    /// Stands open before `cluster`.
    pub async fn before(cluster: &TestCluster) -> Result<Self> {
        let mut config = cluster.config();
        // Each request brings its own token.
        config.auth_info = AuthInfo::default();
        let client = Client::try_from(config)?;
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let handle = move |request| pass(Arc::clone(&shared), client.clone(), request);
        let task = tokio::spawn(http::serve(listener, handle));
        Ok(Self { url, state, task })
    }

    /// Where it is asked.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Counts anew, and shuts after this many writes.
    pub fn shut_after(&self, writes: usize) {
        let mut state = self.state.lock().unwrap();
        state.writes.clear();
        state.last = Some(writes);
    }

    /// Stays open for whoever comes from now on.
    pub fn open(&self) {
        self.state.lock().unwrap().last = None;
    }

    /// Whether somebody is held back.
    pub fn is_shut(&self) -> bool {
        self.state.lock().unwrap().is_shut()
    }

    /// Whether it is open and every write that was asked for is counted.
    pub fn is_quiet(&self) -> bool {
        let state = self.state.lock().unwrap();
        !state.is_shut() && state.underway == 0
    }

    /// What was written since it counts.
    pub fn writes(&self) -> Vec<String> {
        self.state.lock().unwrap().writes.clone()
    }

    /// Every delete since the gate stands.
    pub fn deletes(&self) -> Vec<Delete> {
        self.state.lock().unwrap().deletes.clone()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    state: Arc<Mutex<State>>,
    client: Client,
    request: Request<Incoming>,
) -> Result<Response<Body>> {
    let write = write(&request);
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    unless_shut(&state).await;
    if head.method == Method::DELETE {
        let delete = delete(head.uri.path(), &body);
        state.lock().unwrap().deletes.push(delete);
    }
    if write.is_some() {
        state.lock().unwrap().underway += 1;
    }
    let request = Request::from_parts(head, Body::from(body));
    let answer = client.send(request).await;
    if let Some(write) = write {
        let accepted = answer.as_ref().is_ok_and(|is| is.status().is_success());
        state.lock().unwrap().answered(write, accepted);
    }
    unless_shut(&state).await;
    Ok(answer?)
}

fn delete(path: &str, options: &[u8]) -> Delete {
    let options: Value = serde_json::from_slice(options).unwrap_or_default();
    Delete {
        path: path.to_owned(),
        preconditions: options["preconditions"].clone(),
    }
}

async fn unless_shut(state: &Mutex<State>) {
    let is_shut = state.lock().unwrap().is_shut();
    if is_shut {
        pending::<()>().await;
    }
}

// Names are those of one namespace.
fn write(request: &Request<Incoming>) -> Option<String> {
    let method = request.method();
    let (_, place) = request.uri().path().split_once("/namespaces/")?;
    let (_, object) = place.split_once('/')?;
    let kind = object.split('/').next()?;
    let counts = WRITES.contains(method) && !NOT_COUNTED.contains(&kind);
    counts.then(|| format!("{method} {object}"))
}
