//! Waiting for a condition of the cluster, with a deadline.

use anyhow::bail;
use std::time::{Duration, Instant};

/// Longest wait for what the operator does by itself; it is far above what it takes.
pub const LIMIT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(100);
/// How long a count stays the same when nothing is under way.
const STILL: Duration = Duration::from_secs(6);

/// Polls until `condition` gives a value, and fails when it has not within [`LIMIT`].
pub async fn until<T>(
    what: &str,
    condition: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    until_within(LIMIT, what, condition).await
}

/// The same with a limit of one's own, for what the operator does at its own pace.
pub async fn until_within<T>(
    limit: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition().await? {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            bail!("{what}: not within {limit:?}");
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Polls until `count` has stayed the same for a while, and gives it.
pub async fn until_still(what: &str, count: impl Fn() -> usize) -> anyhow::Result<usize> {
    let mut last = (count(), Instant::now());
    until(what, async || {
        let now = count();
        if now != last.0 {
            last = (now, Instant::now());
        }
        Ok((last.1.elapsed() >= STILL).then_some(last.0))
    })
    .await
}
