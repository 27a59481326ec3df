//! Opens connections beside the threads that serve.
//!
//! Owns [`aside`]. While the driver proves its password (SCRAM: 4096 rounds) it lets all other tasks go first, 800
//! times. Among tasks that leave a thread no rest each of those takes some sixty of their turns: a connection would
//! take seconds just when one is needed, as after a turn of the credentials. On a thread of its own nobody is to go
//! first. It is for opening alone: what is read from a connection afterwards comes by the runtime as ever.

use tokio::runtime::Handle;

/// Runs `opening` on a thread of its own. Whoever stops waiting does not end it: what it opens is dropped.
///
/// # Errors
/// Those of `opening`, and `WorkerCrashed` when the runtime ends.
pub(super) async fn aside<T: Send + 'static>(
    opening: impl Future<Output = Result<T, sqlx::Error>> + Send + 'static,
) -> Result<T, sqlx::Error> {
    let runtime = Handle::current();
    let opened = tokio::task::spawn_blocking(move || runtime.block_on(opening));
    opened.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}
