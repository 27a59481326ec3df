//! What is seen through, whether anybody waits for its answer or not.
//!
//! Owns [`run`] and [`in_time`]. A client that hangs up ends its handler where that waits; an attempt that is counted
//! by then would have neither event nor log line nor mail, and five of them lock. Each part of it that may wait for
//! long must have its end (I-12), which is an outcome like any other: the attempt is taken back or told of all the
//! same.

use std::time::Duration;

use tracing::Instrument as _;

use crate::error::{Code, Error, Result};

/// The outcome of `work`, which goes on to its end even if nobody asks for it any more.
pub(crate) async fn run<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let task = tokio::spawn(work.in_current_span());
    match task.await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(outcome) => outcome,
        // As if it had been in here.
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(error)) => Err(Error::internal("see an attempt through", error)),
    }
}

/// The outcome of a part of it, which is dropped when it has not ended within `limit`.
///
/// # Errors
/// REQUEST_TIMEOUT then.
pub(crate) async fn in_time<T>(
    limit: Duration,
    part: impl Future<Output = Result<T>>,
) -> Result<T> {
    let done = tokio::time::timeout(limit, part).await;
    done.unwrap_or_else(|_| Err(cut_off(limit)))
}

fn cut_off(limit: Duration) -> Error {
    let limit_seconds = limit.as_secs_f64();
    tracing::warn!(limit_seconds, "a part of an attempt was cut off");
    Error::refused(Code::RequestTimeout, "the request took too long; try again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::sync::Notify;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn work_goes_on_though_nobody_waits_for_it() {
        let (begun, go_on, done) = (Notify::new(), Notify::new(), Notify::new());
        let steps = Arc::new((begun, go_on, done));
        let work = {
            let steps = Arc::clone(&steps);
            async move {
                steps.0.notify_one();
                steps.1.notified().await;
                steps.2.notify_one();
                Ok(())
            }
        };
        tokio::select! {
            _ = run(work) => panic!("it waits"),
            () = steps.0.notified() => {}
        }
        steps.1.notify_one();
        tokio::time::timeout(LONG, steps.2.notified())
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_part_that_is_cut_off_ends_and_what_follows_goes_on() {
        let outcome = run(async {
            let endless = std::future::pending::<Result<()>>();
            let part = in_time(Duration::from_millis(1), endless).await;
            Ok((part, in_time(LONG, async { Ok(7) }).await))
        });
        let (endless, other) = outcome.await.unwrap();
        assert_eq!(endless.unwrap_err().code(), Code::RequestTimeout);
        assert_eq!(other.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_panic_is_the_callers() {
        let caller = tokio::spawn(run(panics()));
        assert!(caller.await.unwrap_err().is_panic());
    }

    async fn panics() -> Result<()> {
        panic!("on purpose")
    }
}
