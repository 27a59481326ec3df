//! Opens connections beside the threads that serve.
//!
//! Owns [`aside`]. While the driver proves its password (SCRAM: 4096 rounds) it lets all other tasks go first, 800
//! times. Among tasks that leave a thread no rest each of those takes some sixty of their turns: a connection would
//! take seconds just when one is needed, as after a turn of the credentials. On a thread of its own nobody is to go
//! first. It is for opening alone: what is read from a connection afterwards comes by the runtime as ever. No
//! thread must outlive its time, whatever the server does.

use std::time::Duration;

use tokio::runtime::Handle;

/// Runs `opening` on a thread of its own, for `limit` at most. Whoever stops waiting does not end it: what it
/// opens is dropped.
///
/// # Errors
/// Those of `opening`, `PoolTimedOut` after the limit, and `WorkerCrashed` when the runtime ends.
pub(super) async fn aside<T: Send + 'static>(
    limit: Duration,
    opening: impl Future<Output = Result<T, sqlx::Error>> + Send + 'static,
) -> Result<T, sqlx::Error> {
    let runtime = Handle::current();
    let in_time = async move {
        let opened = tokio::time::timeout(limit, opening).await;
        opened.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    };
    let opened = tokio::task::spawn_blocking(move || runtime.block_on(in_time));
    opened.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn what_hangs_ends_with_its_time_though_nobody_waits_for_it() {
        let (held, ended) = mpsc::channel::<()>();
        let hanging = async move {
            let _held = held;
            std::future::pending().await
        };
        let opening = aside::<()>(Duration::from_millis(50), hanging);
        let given_up = tokio::time::timeout(Duration::from_millis(5), opening).await;
        assert!(given_up.is_err());
        let ended =
            tokio::task::spawn_blocking(move || ended.recv_timeout(Duration::from_secs(20)));
        assert_eq!(
            ended.await.unwrap(),
            Err(mpsc::RecvTimeoutError::Disconnected)
        );
    }

    #[tokio::test]
    async fn what_is_opened_comes_back_and_so_does_a_failure() {
        let limit = Duration::from_secs(20);
        assert_eq!(aside(limit, async { Ok(7) }).await.unwrap(), 7);
        let refused = aside::<()>(limit, async { Err(sqlx::Error::PoolClosed) }).await;
        assert!(matches!(refused, Err(sqlx::Error::PoolClosed)));
        let late = aside::<()>(Duration::from_millis(5), std::future::pending()).await;
        assert!(matches!(late, Err(sqlx::Error::PoolTimedOut)));
    }
}
