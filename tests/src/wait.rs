//! Waiting for a condition of the cluster, with a deadline.

use anyhow::bail;
use std::time::{Duration, Instant};

/// Longest wait for what the operator does by itself; it is far above what it takes.
pub const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// Polls until `condition` gives a value, and fails when it has not within [`LIMIT`].
pub async fn until<T>(
    what: &str,
    mut condition: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(value) = condition().await? {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            bail!("{what}: not within {LIMIT:?}");
        }
        tokio::time::sleep(POLL).await;
    }
}
