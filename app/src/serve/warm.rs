//! What the first requests find ready.
//!
//! Owns [`up`]: a pod that has just become ready gets its share of the load at once. Connecting costs more than
//! many requests, and a fleet that starts beside an empty Redis would ask PostgreSQL at each user's first one.
//! Readiness waits for both, never for long.

use std::time::Duration;

use futures::future::join_all;
use sqlx::PgPool;

use crate::auth::sessions::Sessions;
use crate::state::AppState;

/// Enough to begin with; the pool opens more when they are needed.
const CONNECTIONS: u32 = 4;
/// A database that is slow to connect must not keep the pod out.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is not in Redis by then is read when it is asked for.
const MOMENT: Duration = Duration::from_millis(500);

pub(super) async fn up(state: &AppState) {
    connections(&state.database.pool()).await;
    permissions(&state.sessions).await;
}

async fn connections(pool: &PgPool) {
    let wanted = CONNECTIONS.min(pool.options().get_max_connections());
    // Held until all are there: otherwise the pool would hand out the same one.
    let opened = join_all((0..wanted).map(|_| pool.acquire()));
    if tokio::time::timeout(PATIENCE, opened).await.is_err() {
        tracing::warn!("the database is slow to connect; serving begins all the same");
    }
}

async fn permissions(sessions: &Sessions) {
    match tokio::time::timeout(MOMENT, sessions.warm()).await {
        Ok(Ok(None)) => {}
        Ok(Ok(Some(added))) => tracing::info!(added, "redis knows what those may do who came last"),
        Ok(Err(error)) => {
            tracing::warn!(error = %erpgo_telemetry::chain(&error), "the cache stays cold; serving begins all the same");
        }
        Err(_) => tracing::warn!(
            limit_seconds = MOMENT.as_secs_f64(),
            "the cache stays cold; serving begins all the same"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Redis;
    use crate::db::Database;
    use std::time::Instant;

    /// Nobody connects to Redis here, so that nothing is ever known of it.
    #[tokio::test]
    async fn a_redis_that_says_nothing_costs_a_start_a_moment_and_no_more() {
        let pool = PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/none").unwrap();
        let redis = Redis::named("erpgo:", MOMENT);
        let sessions = Sessions::new(Database::new(pool), redis);
        let begun = Instant::now();
        permissions(&sessions).await;
        let took = begun.elapsed();
        assert!((MOMENT..20 * MOMENT).contains(&took), "{took:?}");
    }
}
