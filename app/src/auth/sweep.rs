//! What is left of sign-ins, and of kept answers, whose time is over.
//!
//! Owns [`run`] and [`sweep`]: a part at a time, however much there is (I-12). Used refresh tokens of a session that
//! goes on are removed where it is refreshed (`auth/store.rs`).

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::db::{Database, QueryType, observed};
use crate::error::{Error, Result};
use crate::tx;

/// How often is looked. Not at once: nothing is urgent at a start.
const EVERY: Duration = Duration::from_secs(60);
/// Parts at one look, for what a rush has left.
const PARTS: usize = 100;

/// One table, of which a statement removes a part.
struct Table {
    name: &'static str,
    /// Takes the rows of a part.
    sql: &'static str,
    /// How many these are at the most.
    part: u32,
}

const TABLES: [Table; 3] = [
    // Each takes its tokens along: those of as many days as a refresh token lives, and of one more.
    Table {
        name: "sessions.sweep",
        sql: "DELETE FROM sessions WHERE id IN (
                 SELECT id FROM sessions WHERE expires_at < now() - interval '1 day'
                 ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
        part: 100,
    },
    // Without an index: the sweep itself leaves those of five minutes.
    Table {
        name: "login_challenges.sweep",
        sql: "DELETE FROM login_challenges WHERE id IN (
                 SELECT id FROM login_challenges WHERE expires_at <= now()
                 LIMIT $1 FOR UPDATE SKIP LOCKED)",
        part: 1000,
    },
    // An API key may lie sealed in there.
    Table {
        name: "idempotency_keys.sweep",
        sql: tx::EXPIRED,
        part: 1000,
    },
];

/// Sweeps every so often, until `stop`.
pub async fn run(database: Database, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        if let Err(error) = sweep(&database).await {
            tracing::warn!(error = %erpgo_telemetry::chain(&error), "sign-ins and kept answers whose time is over are not swept; the next try follows");
        }
    }
}

/// Removes sessions a day after their end, with their tokens, sign-ins that were not finished in time, and expired
/// answers.
///
/// # Errors
/// When the database does not answer.
pub async fn sweep(database: &Database) -> Result<()> {
    let mut outcome = Ok(());
    for table in &TABLES {
        // One that fails leaves the others none the worse.
        outcome = outcome.and(parts(database, table).await);
    }
    outcome
}

async fn parts(database: &Database, table: &Table) -> Result<()> {
    for _ in 0..PARTS {
        if part(database, table).await? < table.part.into() {
            break;
        }
    }
    Ok(())
}

async fn part(database: &Database, table: &Table) -> Result<u64> {
    let mut connection = database.acquire_in_turn().await?;
    let query = sqlx::query(table.sql)
        .bind(i64::from(table.part))
        .execute(&mut *connection);
    let done = observed(QueryType::Delete, table.name, query)
        .await
        .map_err(|error| Error::database("sweep what is over", error))?;
    connection.done();
    Ok(done.rows_affected())
}
