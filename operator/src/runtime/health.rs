//! The operator's own endpoints: `/livez`, `/readyz` and `/metrics`.
//!
//! Owns the small server beside the controller. `/livez` fails when the queue stops moving;
//! `/readyz` answers 200 once the process can serve, as the leader or as a standby. No endpoint
//! needs a credential and none tells more than numbers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::metrics::Metrics;
use super::progress::{Progress, Stuck};

/// How long an object may be due, or a reconcile be at work, before the process counts as stuck:
/// more than twice the limit of one reconcile.
pub const STUCK_AFTER: Duration = Duration::from_secs(300);

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
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, health: Arc<Health>) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health);
    axum::serve(listener, router).await
}

async fn livez(State(health): State<Arc<Health>>) -> Response {
    match health.progress.stuck(health.now(), STUCK_AFTER) {
        None => (StatusCode::OK, "ok\n").into_response(),
        Some(stuck) => (StatusCode::INTERNAL_SERVER_ERROR, explain(&stuck)).into_response(),
    }
}

fn explain(stuck: &Stuck) -> String {
    match stuck {
        Stuck::Queue(age) => format!("nothing takes up what is due since {} s\n", age.as_secs()),
        Stuck::Reconcile(age) => format!("a reconcile hangs since {} s\n", age.as_secs()),
    }
}

async fn readyz(State(health): State<Arc<Health>>) -> Response {
    if health.ready.load(Ordering::Relaxed) {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting or stopping\n").into_response()
    }
}

async fn metrics(State(health): State<Arc<Health>>) -> Response {
    let depth = health.progress.depth(health.now());
    health.metrics.set_queue_depth(depth);
    let text = health.metrics.text();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::progress::Key;

    async fn ask(health: &Arc<Health>, path: &str) -> (StatusCode, String) {
        let listener = listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, Arc::clone(health)));
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
