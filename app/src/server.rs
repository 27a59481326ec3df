//! The listener and its connections.
//!
//! Owns [`Server`]: accepts within a bound; when told to drain it lets clients leave, then ends idle
//! connections, and gives requests in flight a deadline.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// How long a connection may take to its next request: longer than the 60 s for which proxies commonly keep
/// theirs idle, since one that is ended while a request comes in loses it.
pub const PATIENCE: Duration = Duration::from_secs(75);

/// How often is looked whether all clients have gone.
const LOOK: Duration = Duration::from_millis(50);

/// Request line and headers of one request: tokens and cookies with room to spare.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// A listener and what it serves.
pub struct Server {
    /// Where it listens.
    pub listener: TcpListener,
    /// What it serves.
    pub router: Router,
    /// Most connections at once.
    pub max_connections: usize,
    /// How long a client may take until the headers of its next request are complete, idle time included.
    pub patience: Duration,
    /// How long kept-alive connections may still be used once it stops accepting; part of `drain`.
    pub wind_down: Duration,
    /// How long requests in flight may take once it stops accepting.
    pub drain: Duration,
}

impl Server {
    /// Serves until `stop`, then drains. True when nothing had to be cut off.
    pub async fn run(self, stop: CancellationToken) -> bool {
        let connections = GracefulShutdown::new();
        let permits = Arc::new(Semaphore::new(self.max_connections));
        loop {
            let permit = tokio::select! {
                () = stop.cancelled() => break,
                permit = Arc::clone(&permits).acquire_owned() => permit,
            };
            let Ok(permit) = permit else { break };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: others must end first.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let connection =
                connections.watch(connection(stream, peer, self.patience, self.router.clone()));
            tokio::spawn(async move {
                let _permit = permit;
                // A client that goes away is no event of ours.
                let _ = connection.await;
            });
        }
        drop(self.listener);
        let deadline = Instant::now() + self.drain;
        wind_down(&connections, self.wind_down).await;
        tokio::time::timeout_at(deadline, connections.shutdown())
            .await
            .is_ok()
    }
}

// A kept-alive connection that is closed while its client writes the next request loses it. So each
// gets time to be used once more: the answer tells the client to close it. What is still open then
// has been idle all the while.
async fn wind_down(connections: &GracefulShutdown, time: Duration) {
    let end = Instant::now() + time;
    while connections.count() > 0 && Instant::now() < end {
        tokio::time::sleep(LOOK.min(time)).await;
    }
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    patience: Duration,
    router: Router,
) -> impl GracefulConnection<Error = hyper::Error> + Send + 'static {
    let _ = stream.set_nodelay(true);
    let service = router.map_request(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.map(axum::body::Body::new)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
}
