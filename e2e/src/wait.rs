//! Waiting on a condition, with a deadline.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const POLL: Duration = Duration::from_millis(300);

/// Polls `probe` until it returns `Ok(Some(value))`.
///
/// # Errors
/// At the deadline, with `what` and the last thing that `probe` said.
pub async fn until<T, F, Fut>(what: &str, limit: Duration, mut probe: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Result<T, String>>>,
{
    let deadline = Instant::now() + limit;
    loop {
        let said = match probe().await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(not_yet)) => not_yet,
            Err(error) => format!("{error:#}"),
        };
        if Instant::now() >= deadline {
            bail!("{what} did not happen within {limit:?}; last seen: {said}");
        }
        tokio::time::sleep(POLL).await;
    }
}
