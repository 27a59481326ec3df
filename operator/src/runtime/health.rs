//! The operator's own endpoints: `/livez`, `/readyz` and `/metrics`.
//!
//! Owns the small server beside the controller, and the bounds within which it meets callers (I-12).
//! `/livez` fails when the queue stops moving; `/readyz` answers 200 once the process can serve, as the
//! leader or as a standby. No endpoint needs a credential and none tells more than numbers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use erpgo_listen::Bounds;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;

use super::metrics::Metrics;
use super::progress::{Progress, Stuck};

/// How long nothing that is due may be begun, or a reconcile be at work, before the process counts as
/// stuck: more than twice the limit of one reconcile.
pub const STUCK_AFTER: Duration = Duration::from_secs(300);

/// Room for kubelet and Prometheus beside callers who take their time.
const BOUNDS: Bounds = Bounds {
    connections: 64,
    head: Duration::from_secs(5),
    all: Duration::from_secs(15),
};

type Answer = Response<Full<Bytes>>;

/// What the endpoints read.
pub struct Health {
    /// Whether the queue moves.
    pub progress: Progress,
    /// The counters.
    pub metrics: Metrics,
    ready: AtomicBool,
    origin: Instant,
}

impl Health {
    /// A process that has just begun.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self {
            progress: Progress::default(),
            metrics,
            ready: AtomicBool::new(false),
            origin: Instant::now(),
        }
    }

    /// Time since the process began; the clock of [`Progress`].
    #[must_use]
    pub fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Notes whether the process can serve.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }
}

/// The listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: choose another with --metrics-listen")]
pub struct ListenError {
    address: SocketAddr,
    #[source]
    source: std::io::Error,
}

/// Opens the listener.
///
/// # Errors
/// When the address is taken or not allowed.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ListenError { address, source })
}

/// Serves the endpoints until the process ends.
pub async fn serve(listener: TcpListener, health: Arc<Health>) {
    let refused = || tracing::debug!("a caller too many at the operator's endpoints");
    let handle = move |request: Request<Incoming>| std::future::ready(answer(&request, &health));
    let never = std::future::pending();
    erpgo_listen::serve(listener, BOUNDS, refused, never, handle).await;
}

fn answer(request: &Request<Incoming>, health: &Health) -> Answer {
    match (request.uri().path(), request.method()) {
        ("/livez", &Method::GET) => livez(health),
        ("/readyz", &Method::GET) => readyz(health),
        ("/metrics", &Method::GET) => metrics(health),
        ("/livez" | "/readyz" | "/metrics", _) => {
            plain(StatusCode::METHOD_NOT_ALLOWED, "this path is for GET\n")
        }
        _ => plain(StatusCode::NOT_FOUND, "there is nothing here\n"),
    }
}

fn livez(health: &Health) -> Answer {
    match health.progress.stuck(health.now(), STUCK_AFTER) {
        None => plain(StatusCode::OK, "ok\n"),
        Some(stuck) => plain(StatusCode::INTERNAL_SERVER_ERROR, explain(&stuck)),
    }
}

fn explain(stuck: &Stuck) -> String {
    match stuck {
        Stuck::Queue(age) => format!("nothing takes up what is due since {} s\n", age.as_secs()),
        Stuck::Reconcile(age) => format!("a reconcile hangs since {} s\n", age.as_secs()),
    }
}

fn readyz(health: &Health) -> Answer {
    if health.ready.load(Ordering::Relaxed) {
        plain(StatusCode::OK, "ok\n")
    } else {
        plain(StatusCode::SERVICE_UNAVAILABLE, "starting or stopping\n")
    }
}

fn metrics(health: &Health) -> Answer {
    let depth = health.progress.depth(health.now());
    health.metrics.set_queue_depth(depth);
    let text = health.metrics.text();
    text_of("text/plain; version=0.0.4", StatusCode::OK, text)
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    text_of("text/plain; charset=utf-8", status, text)
}

fn text_of(kind: &'static str, status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let text: Bytes = text.into();
    let mut answer = Response::new(Full::new(text));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::runtime::progress::Key;

    /// Only a failure waits this long.
    const LIMIT: Duration = Duration::from_secs(60);

    async fn start(health: &Arc<Health>) -> (SocketAddr, JoinHandle<()>) {
        let listener = listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        (address, tokio::spawn(serve(listener, Arc::clone(health))))
    }

    async fn ask(health: &Arc<Health>, path: &str) -> (StatusCode, String) {
        let (address, server) = start(health).await;
        let answer = reqwest::Client::builder()
            .tls_certs_only([])
            .build()
            .unwrap()
            .get(format!("http://{address}{path}"))
            .send()
            .await
            .unwrap();
        let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
        let body = answer.text().await.unwrap();
        server.abort();
        (status, body)
    }

    fn fresh() -> Arc<Health> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Arc::new(Health::new(Metrics::new().unwrap()))
    }

    #[tokio::test]
    async fn liveness_fails_when_the_queue_stands_still() {
        assert_eq!(ask(&fresh(), "/livez").await.0, StatusCode::OK);
        let mut health = fresh();
        Arc::get_mut(&mut health).unwrap().origin = Instant::now() - (STUCK_AFTER * 2);
        health.progress.expect(
            Key {
                namespace: "n".into(),
                name: "a".into(),
            },
            Duration::ZERO,
        );
        let (status, body) = ask(&health, "/livez").await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(body.contains("nothing takes up"), "{body}");
    }

    #[tokio::test]
    async fn liveness_holds_while_a_long_queue_moves() {
        let mut health = fresh();
        Arc::get_mut(&mut health).unwrap().origin = Instant::now() - (STUCK_AFTER * 2);
        let [first, last] = ["first", "last"].map(|name| Key {
            namespace: "n".into(),
            name: name.into(),
        });
        for key in [&first, &last] {
            health.progress.expect(key.clone(), Duration::ZERO);
        }
        health.progress.begin(&first, health.now());
        health.progress.end(&first);
        assert_eq!(health.progress.depth(health.now()), 1);
        assert_eq!(ask(&health, "/livez").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn i12_a_caller_who_never_says_what_it_wants_is_sent_away() {
        let (address, server) = start(&fresh()).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
        let mut heard = Vec::new();
        let closed = tokio::time::timeout(LIMIT, silent.read_to_end(&mut heard)).await;
        assert!(closed.is_ok(), "it is still there");
        assert!(!heard.ends_with(b"ok\n"), "{heard:?}");
        server.abort();
    }

    #[tokio::test]
    async fn other_paths_and_methods_are_told_so() {
        assert_eq!(ask(&fresh(), "/").await.0, StatusCode::NOT_FOUND);
        let (address, server) = start(&fresh()).await;
        let posted = reqwest::Client::builder()
            .tls_certs_only([])
            .build()
            .unwrap()
            .post(format!("http://{address}/livez"))
            .send();
        assert_eq!(posted.await.unwrap().status().as_u16(), 405);
        server.abort();
    }

    #[tokio::test]
    async fn readiness_follows_the_switch() {
        let health = fresh();
        assert_eq!(
            ask(&health, "/readyz").await.0,
            StatusCode::SERVICE_UNAVAILABLE
        );
        health.set_ready(true);
        assert_eq!(ask(&health, "/readyz").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn metrics_name_the_build_and_the_queue() {
        let (status, body) = ask(&fresh(), "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        for name in ["erpgo_operator_build_info", "erpgo_operator_queue_depth 0"] {
            assert!(body.contains(name), "{name} is missing from {body}");
        }
    }
}
