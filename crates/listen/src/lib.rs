//! How a connection is met.
//!
//! Owns the bounds of the small servers that operator and sidecar have beside their work (I-12): as many
//! connections at once as [`Bounds`] say, one request a connection, a deadline for its head of at most
//! 16 KiB and 32 fields, and one for all of it. One connection more is closed at once: a caller who waits
//! unseen learns less than one who is refused. It knows no path and judges no request.

use std::convert::Infallible;
use std::pin::pin;
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
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const MAX_HEAD_BYTES: usize = 16 * 1024;
const MAX_FIELDS: usize = 32;
// accept fails when descriptors run out; asking again at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a server gives to those who connect.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once.
    pub connections: usize,
    /// Time for the head of a request.
    pub head: Duration,
    /// Time for a connection from its beginning to its end.
    pub all: Duration,
}

/// Answers each request with `handle` until `stopped` is over, and ends when those under way are
/// answered. `refused` hears of each connection that was closed unanswered.
pub async fn serve<H, F>(
    listener: TcpListener,
    bounds: Bounds,
    refused: impl Fn(),
    stopped: impl Future<Output = ()>,
    handle: H,
) where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let seats = Arc::new(Semaphore::new(bounds.connections));
    let mut connections = JoinSet::new();
    let mut stopped = pin!(stopped);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = &mut stopped => break,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else {
            refused();
            continue;
        };
        let handle = handle.clone();
        connections.spawn(async move {
            converse(stream, bounds, handle).await;
            drop(seat);
        });
    }
    // Who waits for an answer has been told to stop; the caller bounds this.
    while connections.join_next().await.is_some() {}
}

async fn converse<H, F>(stream: TcpStream, bounds: Bounds, handle: H)
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
        .header_read_timeout(bounds.head)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_FIELDS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // A peer that breaks off has no one to tell.
    let _ = tokio::time::timeout(bounds.all, connection).await;
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::task::JoinHandle;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(100);
    /// Only a failure waits this long.
    const LIMIT: Duration = Duration::from_secs(60);
    const BOUNDS: Bounds = Bounds {
        connections: 2,
        head: LONG,
        all: LONG,
    };

    struct Server {
        address: SocketAddr,
        refused: Arc<AtomicUsize>,
        task: JoinHandle<()>,
    }

    impl Server {
        async fn start(bounds: Bounds) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let refused = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&refused);
            let count = move || {
                counter.fetch_add(1, Ordering::SeqCst);
            };
            let handle = |request: Request<Incoming>| async move {
                if request.uri().path() == "/never" {
                    std::future::pending::<()>().await;
                }
                Response::new(Full::from("well"))
            };
            let never = std::future::pending();
            let task = tokio::spawn(serve(listener, bounds, count, never, handle));
            Self {
                address,
                refused,
                task,
            }
        }

        async fn said(&self, text: &str) -> TcpStream {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            // Who is refused may have been so before this.
            let _ = stream.write_all(text.as_bytes()).await;
            stream
        }

        async fn answers(&self) -> bool {
            let asked = self.said("GET / HTTP/1.1\r\nHost: here\r\n\r\n").await;
            heard(asked).await.ends_with("well")
        }

        async fn until_it_answers(&self) {
            let answered = async {
                while !self.answers().await {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(LIMIT, answered).await.unwrap();
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.task.abort();
        }
    }

    /// What came before the connection was closed.
    async fn heard(mut stream: TcpStream) -> String {
        let mut text = Vec::new();
        let read = stream.read_to_end(&mut text);
        // A connection that is broken off is closed as well.
        let _ = tokio::time::timeout(LIMIT, read).await.unwrap();
        String::from_utf8(text).unwrap()
    }

    #[tokio::test]
    async fn i12_one_connection_more_is_closed_at_once_and_a_seat_that_is_left_is_taken() {
        let server = Server::start(BOUNDS).await;
        let idle = [server.said("").await, server.said("").await];
        assert_eq!(heard(server.said("").await).await, "");
        assert!(!server.answers().await);
        assert_eq!(server.refused.load(Ordering::SeqCst), 2);
        drop(idle);
        server.until_it_answers().await;
    }

    #[tokio::test]
    async fn i12_a_head_that_does_not_end_costs_its_seat() {
        let bounds = Bounds {
            connections: 1,
            head: SHORT,
            ..BOUNDS
        };
        let server = Server::start(bounds).await;
        let slow = server.said("GET / HTTP/1.1\r\nHos").await;
        assert!(!heard(slow).await.ends_with("well"));
        server.until_it_answers().await;
    }

    #[tokio::test]
    async fn i12_a_conversation_that_does_not_end_is_cut() {
        let bounds = Bounds {
            connections: 1,
            all: SHORT,
            ..BOUNDS
        };
        let server = Server::start(bounds).await;
        let never = server
            .said("GET /never HTTP/1.1\r\nHost: here\r\n\r\n")
            .await;
        assert_eq!(heard(never).await, "");
        server.until_it_answers().await;
    }
}
