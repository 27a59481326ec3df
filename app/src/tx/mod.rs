//! Several writes, one transaction (R4).
//!
//! Owns [`transaction`], which commits, rolls back and retries, and [`once()`], which does the same at
//! most once for an Idempotency-Key. The work may run several times: it must touch nothing but its
//! connection, and what each try sets anew. A request that is cut off rolls back and leaves no connection
//! behind (I-12).

mod kept;
mod once;
mod reply;
mod retry;
mod seal;

use std::future::Future;

use sqlx::PgConnection;

use crate::backoff::jittered;
use crate::db::{Database, Transaction};
use crate::error::{Error, Result};
use crate::metrics::METRICS;

pub use kept::{EXPIRED, forget_about};
pub use once::{Once, once};
pub use reply::{REPLAYED, Reply};
pub use retry::{Contended, RETRY_AFTER, is_conflict};

/// What is done in a transaction. It may be run several times.
///
/// A trait rather than an async closure: the compiler cannot yet tell of a closure's future, for every
/// lifetime of the connection, that it may move between threads.
pub trait Work<T>: Send {
    /// Does it once.
    fn run(&mut self, connection: &mut PgConnection) -> impl Future<Output = Result<T>> + Send;
}

/// Runs `work` in a transaction: all of its writes are committed, or none.
///
/// Serialization failures and deadlocks are retried three times, each time later.
///
/// # Errors
/// What `work` ends with; SERVICE_UNAVAILABLE around [`Contended`] when every try met a conflict.
pub async fn transaction<T>(
    database: &Database,
    name: &'static str,
    mut work: impl Work<T>,
) -> Result<T> {
    let mut waits = RETRY_AFTER.into_iter();
    loop {
        let failure = match attempt(database, name, &mut work).await {
            Err(failure) if is_conflict(&failure) => failure,
            settled => return settled,
        };
        let Some(wait) = waits.next() else {
            return Err(retry::contended(name, failure));
        };
        let wait = jittered(wait);
        tracing::info!(
            transaction = name,
            retry_after_seconds = wait.as_secs_f64(),
            error = %erpgo_telemetry::chain(&failure),
            "a transaction met a conflict and is retried"
        );
        tokio::time::sleep(wait).await;
    }
}

async fn attempt<T>(database: &Database, name: &'static str, work: &mut impl Work<T>) -> Result<T> {
    let mut tx = database.begin().await?;
    let outcome = work.run(&mut tx).await;
    let (result, outcome) = match outcome {
        Ok(done) => keep(tx, name, done).await,
        Err(refusal) => undo(tx, name, refusal).await,
    };
    METRICS.transactions.with_label_values(&[result]).inc();
    outcome
}

/// Commits; and the word that counts what came of it. Only the answer tells: without one nobody knows.
async fn keep<T>(tx: Transaction, name: &'static str, done: T) -> (&'static str, Result<T>) {
    match tx.commit().await {
        Ok(()) => ("committed", Ok(done)),
        Err(error) => {
            let answered = error.as_database_error().is_some();
            let error = Error::database(name, error);
            let result = if answered { undone(&error) } else { "unknown" };
            (result, Err(error))
        }
    }
}

/// Rolls back; and the word that counts it.
async fn undo<T>(tx: Transaction, name: &'static str, refusal: Error) -> (&'static str, Result<T>) {
    // The refusal matters more than the rollback, which closing the connection brings about.
    if let Err(error) = tx.rollback().await {
        tracing::warn!(transaction = name, %error, "a rollback failed; its connection is closed");
    }
    (undone(&refusal), Err(refusal))
}

fn undone(error: &Error) -> &'static str {
    if is_conflict(error) {
        "conflict"
    } else {
        "rolled_back"
    }
}
