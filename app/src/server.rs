//! The listener and its connections.
//!
//! Owns [`Server`]: accepts within a bound; when told to drain it takes in who waits to be accepted, lets
//! clients leave, then ends idle connections, gives requests in flight a deadline, and cuts off what is
//! left at it. Must never wait without end for a client, be it for a request or to take an answer.

mod patient;

use std::io;
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
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use patient::Patient;

/// How long a connection may take to its next request: longer than the 60 s for which proxies commonly keep
/// theirs idle, since one that is ended while a request comes in loses it. As long may its client take nothing of
/// an answer.
pub const PATIENCE: Duration = Duration::from_secs(75);

/// When no connection came for so long, none waits to be accepted.
const QUIET: Duration = Duration::from_millis(10);

/// How often is looked whether all clients have gone.
const LOOK: Duration = Duration::from_millis(50);

/// Request line and headers of one request: tokens and cookies with room to spare.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Listens on `address`, where `waiting` connections may wait to be accepted. What comes in a rush beyond those
/// is lost: after a second its client hears that there is no such connection. By itself a listener has 128.
///
/// # Errors
/// The address cannot be had.
pub fn listen(address: SocketAddr, waiting: usize) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // As the process before it may have ended a moment ago.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(u32::try_from(waiting).unwrap_or(u32::MAX))
}

/// A listener and what it serves.
pub struct Server {
    /// Where it listens.
    pub listener: TcpListener,
    /// What it serves.
    pub router: Router,
    /// Most connections at once.
    pub max_connections: usize,
    /// How long a client may take until the headers of its next request are complete, idle time included, and how
    /// long it may take nothing more of an answer.
    pub patience: Duration,
    /// How long kept-alive connections may still be used once it is to stop; part of `drain`. In its first half
    /// those are taken in that wait to be accepted.
    pub wind_down: Duration,
    /// How long requests in flight may take once it is to stop.
    pub drain: Duration,
}

impl Server {
    /// Serves until `stop`, then drains. True when nothing had to be cut off.
    pub async fn run(self, stop: CancellationToken) -> bool {
        let mut open = Open {
            connections: GracefulShutdown::new(),
            permits: Arc::new(Semaphore::new(self.max_connections)),
            tasks: JoinSet::new(),
            patience: self.patience,
            router: self.router,
        };
        open.accept(&self.listener, &stop).await;
        let stopped = Instant::now();
        // Whoever comes last has the other half to be answered in.
        open.take_in(&self.listener, stopped + self.wind_down / 2)
            .await;
        drop(self.listener);
        wind_down(&open.connections, stopped + self.wind_down).await;
        open.end(stopped + self.drain).await
    }
}

/// The connections that are open, and what it takes to serve another.
struct Open {
    connections: GracefulShutdown,
    permits: Arc<Semaphore>,
    tasks: JoinSet<()>,
    patience: Duration,
    router: Router,
}

impl Open {
    /// Serves whoever comes, until `stop`.
    async fn accept(&mut self, listener: &TcpListener, stop: &CancellationToken) {
        loop {
            let permit = tokio::select! {
                () = stop.cancelled() => return,
                permit = Arc::clone(&self.permits).acquire_owned() => permit,
            };
            let Ok(permit) = permit else { return };
            let Some(accepted) = next(listener, &mut self.tasks, stop).await else {
                return;
            };
            self.serve(accepted, permit).await;
        }
    }

    /// Serves those whom the kernel has let in and nobody has accepted: they would be reset with the listener,
    /// though they may have sent their request. Until `end` at the latest: others may come all the while.
    async fn take_in(&mut self, listener: &TcpListener, end: Instant) {
        while Instant::now() < end {
            // When as many are open as may be, others end before long: each is told to close.
            let permit = Arc::clone(&self.permits).acquire_owned();
            let Ok(Ok(permit)) = tokio::time::timeout_at(end, permit).await else {
                return;
            };
            let Ok(accepted) = tokio::time::timeout(QUIET, listener.accept()).await else {
                return;
            };
            self.serve(accepted, permit).await;
        }
    }

    /// Serves one more, which has a permit.
    async fn serve(
        &mut self,
        accepted: io::Result<(TcpStream, SocketAddr)>,
        permit: OwnedSemaphorePermit,
    ) {
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: others must end first.
                tracing::warn!(%error, "a connection could not be accepted");
                return tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let connection = connection(stream, peer, self.patience, self.router.clone());
        let connection = self.connections.watch(connection);
        self.tasks.spawn(async move {
            let _permit = permit;
            // A client that goes away is no event of ours.
            let _ = connection.await;
        });
        // While one comes after the other, `next` need not see those that have ended.
        while self.tasks.try_join_next().is_some() {}
    }

    /// Ends those that are idle, and at `deadline` all others. True when there were none.
    async fn end(mut self, deadline: Instant) -> bool {
        let finished = tokio::time::timeout_at(deadline, self.connections.shutdown()).await;
        // A request that hangs would keep what it holds of the database, which is closed next.
        self.tasks.shutdown().await;
        finished.is_ok()
    }
}

/// The next connection, or none at `stop`. Lets go of those that have ended meanwhile: after a rush the set would
/// keep them until somebody comes.
async fn next(
    listener: &TcpListener,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> Option<io::Result<(TcpStream, SocketAddr)>> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return None,
            accepted = listener.accept() => return Some(accepted),
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
}

// A kept-alive connection that is closed while its client writes the next request loses it. So each
// gets time to be used once more: the answer tells the client to close it. What is still open then
// has been idle all the while.
async fn wind_down(connections: &GracefulShutdown, end: Instant) {
    while connections.count() > 0 && Instant::now() < end {
        tokio::time::sleep_until(end.min(Instant::now() + LOOK)).await;
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
        .serve_connection(
            TokioIo::new(Patient::new(stream, patience)),
            TowerToHyperService::new(service),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_rush_waits_to_be_accepted() {
        let listener = listen("127.0.0.1:0".parse().unwrap(), 256).unwrap();
        let address = listener.local_addr().unwrap();
        let rush = (0..256).map(|_| TcpStream::connect(address));
        // Nobody accepts any of them.
        let rush = futures::future::try_join_all(rush);
        let rush = tokio::time::timeout(Duration::from_secs(10), rush).await;
        assert_eq!(rush.expect("all are taken").unwrap().len(), 256);
    }

    #[tokio::test]
    async fn connections_that_have_ended_are_let_go_of_while_nobody_comes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for _ in 0..8 {
            tasks.spawn(async {});
        }
        let open = tasks.spawn(std::future::pending());
        for _ in 0..1_000 {
            tokio::select! {
                biased;
                accepted = next(&listener, &mut tasks, &stop) => panic!("{accepted:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
        assert_eq!(tasks.len(), 1);
        assert!(!open.is_finished());

        stop.cancel();
        assert!(next(&listener, &mut tasks, &stop).await.is_none());
    }
}
