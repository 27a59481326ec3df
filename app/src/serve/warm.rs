//! Connections for the first requests.
//!
//! Owns [`up`]: a pod that has just become ready gets its share of the load at once, and connecting
//! costs more than many requests. Readiness waits for a few connections, never for long.

use std::time::Duration;

use futures::future::join_all;
use sqlx::PgPool;

/// Enough to begin with; the pool opens more when they are needed.
const CONNECTIONS: u32 = 4;
/// A database that is slow to connect must not keep the pod out.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn up(pool: &PgPool) {
    let wanted = CONNECTIONS.min(pool.options().get_max_connections());
    // Held until all are there: otherwise the pool would hand out the same one.
    let opened = join_all((0..wanted).map(|_| pool.acquire()));
    if tokio::time::timeout(PATIENCE, opened).await.is_err() {
        tracing::warn!("the database is slow to connect; serving begins all the same");
    }
}
