//! A collector of traces that keeps what it is sent, to be searched.
//!
//! Owns one listener at the node's address. What it keeps is bounded; it understands nothing of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const MOST: usize = 64 << 20;

type Kept = Arc<Mutex<Vec<u8>>>;

/// A collector; it ends with its handle.
pub struct Collector {
    address: SocketAddr,
    kept: Kept,
    task: JoinHandle<()>,
}

impl Collector {
    /// Listens on a free port of `host`.
    ///
    /// # Errors
    /// When there is none.
    pub async fn listen(host: Ipv4Addr) -> Result<Self> {
        let listener = TcpListener::bind((host, 0)).await?;
        let address = listener.local_addr()?;
        let kept = Kept::default();
        let router = Router::new().route("/v1/traces", post(keep));
        let router = router.with_state(Arc::clone(&kept));
        let task = tokio::spawn(async move {
            // It ends when the task is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            kept,
            task,
        })
    }

    /// `spec.tracing.otlpEndpoint`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was sent so far.
    #[must_use]
    pub fn kept(&self) -> Vec<u8> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(State(kept): State<Kept>, body: Bytes) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() + body.len() <= MOST {
        kept.extend_from_slice(&body);
    }
}
