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
    loop {
        let left = patience.saturating_sub(begun.elapsed());
        let error = match tokio::time::timeout(left, options.connect()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => error,
            Err(_) => return Err(MigrateError::Unanswered(patience.as_secs())),
        };
        if classify(&error) != DatabaseFailure::Connection || begun.elapsed() + wait >= patience {
            return Err(MigrateError::Unavailable(error));
        }
        tracing::info!(error = %erpgo_telemetry::chain(&error), "waiting for the database");
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}
