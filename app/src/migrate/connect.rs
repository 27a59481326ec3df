//! The connection that migrates.
//!
//! Owns [`connect`]: a database that is still starting, or whose credentials are still on their way, is
//! asked again for a while; after that the Job is to be retried.

use std::time::{Duration, Instant};

use erpgo_secret_set::Secret;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection};

use super::MigrateError;
use crate::error::{DatabaseFailure, classify};

/// How long a database may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Connects to the database at `url`.
///
/// # Errors
/// When it has not answered within `patience`, or its URL is not valid.
pub async fn connect(url: &Secret, patience: Duration) -> Result<PgConnection, MigrateError> {
    let options: PgConnectOptions = url
        .expose_secret()
        .parse()
        .map_err(MigrateError::Unavailable)?;
    let options = options.application_name("erpgo-migrate");
    let begun = Instant::now();
    let mut wait = FIRST_WAIT;
    let mut last = None;
    loop {
        let left = patience.saturating_sub(begun.elapsed());
        let error = match tokio::time::timeout(left, options.connect()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => error,
            Err(_) => {
                // What was answered before says more than that one try more came too late.
                let unanswered = MigrateError::Unanswered(patience.as_secs());
                return Err(last.map_or(unanswered, MigrateError::Unavailable));
            }
        };
        if classify(&error) != DatabaseFailure::Connection || begun.elapsed() + wait >= patience {
            return Err(MigrateError::Unavailable(error));
        }
        tracing::info!(error = %erpgo_telemetry::chain(&error), "waiting for the database");
        last = Some(error);
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a server that closes so many connections and says nothing on the next.
    async fn told_after(closed: usize) -> MigrateError {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgres://u:p@{}/d", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            for _ in 0..closed {
                drop(listener.accept().await);
            }
            let silent = listener.accept().await;
            std::future::pending::<()>().await;
            drop(silent);
        });
        let connected = connect(&Secret::new(url), Duration::from_secs(3)).await;
        server.abort();
        connected.unwrap_err()
    }

    #[tokio::test]
    async fn a_last_try_without_an_answer_does_not_hide_what_was_answered_before() {
        let (silent, once) = tokio::join!(told_after(0), told_after(1));
        assert!(matches!(silent, MigrateError::Unanswered(3)), "{silent:?}");
        assert!(matches!(once, MigrateError::Unavailable(_)), "{once:?}");
    }
}
