//! The bounds of both servers.
//!
//! Owns how many callers there may be at once and how long each may take (I-12); how they are held to it
//! is [`erpgo_listen`]'s. Whoever is refused is counted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use erpgo_listen::Bounds;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::shared::Shared;

const BOUNDS: Bounds = Bounds {
    connections: 16,
    head: Duration::from_secs(5),
    // The longest wait of a nudge, 60 s, and room for the rest.
    all: Duration::from_secs(70),
};

/// Answers each request with `handle` until `stopped` says so.
pub(super) async fn serve<H, F>(
    listener: TcpListener,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
    handle: H,
) where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let refused = || shared.counters.refused_connections.add_one();
    let stopped = async {
        // An error means that nobody is left who could say it.
        let _ = stopped.changed().await;
    };
    erpgo_listen::serve(listener, BOUNDS, refused, stopped, handle).await;
}
