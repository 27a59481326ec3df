//! The end, in order (R9).
//!
//! Owns the hooks of serve: readiness, then the listener and its requests, then what they used. Beside
//! the drain they have less than ten seconds together, which is what `spec.termination` leaves unless told
//! otherwise.

use std::time::Duration;

use erpgo_telemetry::Telemetry;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::shutdown::{Hooks, Phase};
use crate::state::AppState;

/// For those that wait for nothing.
const AT_ONCE: Duration = Duration::from_millis(100);
/// What requests may take beyond the drain, at which they are cut off.
const SHORT: Duration = Duration::from_secs(1);
/// For what the audit log has not been told yet: as a rule nothing, and a few events after an attack. Cut
/// off, they are told of in the log.
const NOTE: Duration = Duration::from_millis(500);
/// Requests and tasks have let go of it by then; what is left ends with its socket.
const CLOSE: Duration = Duration::from_secs(3);
/// As long as the exporter of spans waits for its collector.
const FLUSH: Duration = Duration::from_secs(5);

pub(super) fn hooks(
    state: &AppState,
    telemetry: Telemetry,
    stop: CancellationToken,
    accepting: CancellationToken,
    serving: JoinHandle<bool>,
) -> Hooks {
    let mut hooks = Hooks::default();
    let lifecycle = state.lifecycle.clone();
    hooks.add(10, "readiness", AT_ONCE, || async move {
        lifecycle.advance(Phase::Draining);
    });
    // The server keeps the drain deadline itself; this one only guards against a stuck task.
    let drain = state.settings.shutdown_drain + SHORT;
    hooks.add(20, "requests", drain, || async move {
        accepting.cancel();
        if !serving.await.unwrap_or(false) {
            tracing::warn!("requests were still in flight at the deadline and are cut off");
        }
    });
    hooks.add(30, "tasks", AT_ONCE, || async move { stop.cancel() });
    let (refusals, database) = (state.refusals.clone(), state.database.clone());
    hooks.add(35, "audit", NOTE, || async move {
        refusals.flush(&database).await;
    });
    let database = state.database.clone();
    hooks.add(
        40,
        "database",
        CLOSE,
        || async move { database.close().await },
    );
    let redis = state.redis.clone();
    hooks.add(50, "redis", AT_ONCE, || async move { redis.close() });
    hooks.add(60, "telemetry", FLUSH, || async move {
        let flushed = tokio::task::spawn_blocking(move || telemetry.shutdown()).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!(error = %erpgo_telemetry::chain(&error), "the last spans are lost");
        }
    });
    hooks
}
