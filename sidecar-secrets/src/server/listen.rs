//! How a connection is met.
//!
//! Owns the bounds that hold for both servers (I-12): [`MAX_CONNECTIONS`] at once, one request a
//! connection, [`HEADER_DEADLINE`] for its head of at most 16 KiB and 32 fields, and
//! [`CONNECTION_DEADLINE`] for all of it. One connection more is closed at once: a caller who waits
//! unseen learns less than one who is refused.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::shared::Shared;

const MAX_CONNECTIONS: usize = 16;
const MAX_HEAD_BYTES: usize = 16 * 1024;
const MAX_FIELDS: usize = 32;
const HEADER_DEADLINE: Duration = Duration::from_secs(5);
// The longest wait of a nudge, 60 s, and room for the rest.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(70);
// accept fails when descriptors run out; asking again at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    let seats = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stopped.changed() => break,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else {
            shared.counters.refused_connections.add_one();
            continue;
        };
        let handle = handle.clone();
        connections.spawn(async move {
            converse(stream, handle).await;
            drop(seat);
        });
    }
    // Who waits for an answer has been told to stop; the caller bounds this.
    while connections.join_next().await.is_some() {}
}

async fn converse<H, F>(stream: TcpStream, handle: H)
where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<Full<Bytes>>>,
{
    let service = service_fn(|request| {
        let answer = handle(request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let connection = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_FIELDS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // A peer that breaks off has no one to tell.
    let _ = tokio::time::timeout(CONNECTION_DEADLINE, connection).await;
}
