//! The control port: state and nudge for the operator, health for the kubelet, metrics.
//!
//! Owns the routes. `/v1/` needs the token and a direct connection; health and metrics need
//! neither and tell nothing that a caller could use.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::answer::{Answer, Refusal, json, metrics};
use super::generation::{self, Nudge};
use super::{guard, listen};
use crate::shared::Shared;

/// What a request is answered from.
pub(super) struct Control {
    pub(super) shared: Arc<Shared>,
    pub(super) stopped: watch::Receiver<bool>,
    // Half of the connections, so that a probe always finds one.
    pub(super) waits: Semaphore,
    token_file: PathBuf,
}

const MAX_WAITS: usize = 8;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// Serves the control port.
pub(crate) async fn control(
    listener: TcpListener,
    token_file: PathBuf,
    shared: Arc<Shared>,
    stopped: watch::Receiver<bool>,
) {
    let control = Arc::new(Control {
        shared: Arc::clone(&shared),
        stopped: stopped.clone(),
        waits: Semaphore::new(MAX_WAITS),
        token_file,
    });
    let handle = move |request: Request<Incoming>| {
        let control = Arc::clone(&control);
        async move { answer(&request, &control).await }
    };
    listen::serve(listener, shared, stopped, handle).await;
}

async fn answer(request: &Request<Incoming>, control: &Control) -> Answer {
    let shared = &control.shared;
    match (request.uri().path(), request.method()) {
        ("/health/live", &Method::GET) => health(shared.is_live(Instant::now()), "stuck"),
        ("/health/started", &Method::GET) => {
            let rendered = shared.status().rendered().is_some();
            health(rendered, "waiting for the first secret set")
        }
        ("/metrics", &Method::GET) => {
            metrics(shared.counters.text(&shared.status(), Instant::now()))
        }
        ("/health/live" | "/health/started" | "/metrics", _) => Refusal::wrong_method().into(),
        (path, _) if path.starts_with("/v1/") => versioned(request, control).await,
        _ => Refusal::not_found().into(),
    }
}

async fn versioned(request: &Request<Incoming>, control: &Control) -> Answer {
    match admit(request, &control.token_file).and_then(|()| Asked::parse(request)) {
        Ok(Asked::State) => state(StatusCode::OK, &control.shared),
        Ok(Asked::Generation(nudge)) => generation::put(nudge, control).await,
        Err(refusal) => {
            control.shared.counters.refused_requests.add_one();
            refusal.into()
        }
    }
}

fn admit(request: &Request<Incoming>, token_file: &Path) -> Result<(), Refusal> {
    guard::direct(request.headers())?;
    guard::bearer(request.headers(), token_file)
}

enum Asked {
    State,
    Generation(Nudge),
}

impl Asked {
    fn parse(request: &Request<Incoming>) -> Result<Self, Refusal> {
        let (path, method) = (request.uri().path(), request.method());
        if path == "/v1/state" {
            return if method == Method::GET {
                Ok(Self::State)
            } else {
                Err(Refusal::wrong_method())
            };
        }
        let number = path
            .strip_prefix("/v1/generation/")
            .ok_or_else(Refusal::not_found)?;
        if method != Method::PUT {
            return Err(Refusal::wrong_method());
        }
        let nudge = Nudge::parse(number, request.uri().query());
        nudge
            .map(Self::Generation)
            .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))
    }
}

/// The state as the operator reads it.
pub(super) fn state(status: StatusCode, shared: &Shared) -> Answer {
    json(status, &shared.status().pod_state(Instant::now()))
}

fn health(well: bool, otherwise: &'static str) -> Answer {
    if well {
        json(StatusCode::OK, &Health { status: "ok" })
    } else {
        json(
            StatusCode::SERVICE_UNAVAILABLE,
            &Health { status: otherwise },
        )
    }
}
