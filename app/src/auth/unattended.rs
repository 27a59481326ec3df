//! What is seen through, whether anybody waits for its answer or not.
//!
//! Owns [`run`]. A client that hangs up ends its handler where that waits; an attempt that is counted by then
//! would have neither event nor log line nor mail, and five of them lock. It must never outlive the time that a
//! request has (I-12).

use std::time::Duration;

use tracing::Instrument as _;

use crate::error::{Code, Error, Result};

/// The outcome of `work`, which goes on to its end, or to `limit`, even if nobody asks for it any more.
pub(crate) async fn run<T: Send + 'static>(
    limit: Duration,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let work = async move {
        let done = tokio::time::timeout(limit, work).await;
        done.unwrap_or_else(|_| Err(cut_off(limit)))
    };
    let task = tokio::spawn(work.in_current_span());
    match task.await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(outcome) => outcome,
        // As if it had been in here.
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(error)) => Err(Error::internal("see an attempt through", error)),
    }
}

fn cut_off(limit: Duration) -> Error {
    let limit_seconds = limit.as_secs_f64();
    tracing::warn!(limit_seconds, "an attempt was cut off");
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
            _ = run(LONG, work) => panic!("it waits"),
            () = steps.0.notified() => {}
        }
        steps.1.notify_one();
        tokio::time::timeout(LONG, steps.2.notified())
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn it_has_no_more_time_than_a_request() {
        let endless = std::future::pending::<Result<()>>();
        let outcome = run(Duration::from_millis(1), endless).await;
        assert_eq!(outcome.unwrap_err().code(), Code::RequestTimeout);
        let outcome = run(LONG, async { Ok(7) }).await;
        assert_eq!(outcome.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_panic_is_the_callers() {
        let caller = tokio::spawn(run(LONG, panics()));
        assert!(caller.await.unwrap_err().is_panic());
    }

    async fn panics() -> Result<()> {
        panic!("on purpose")
    }
}
