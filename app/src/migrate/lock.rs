//! At most one migration a database (I-02).
//!
//! Owns [`acquire`]: a session lock that is asked for again and again. A call that waits inside of
//! PostgreSQL would hold a snapshot, and an index that is built concurrently waits for those: deadlock.
//! The session that holds the lock is the one that migrates, so that the lock outlives no work and no
//! work outlives the lock.

use std::time::{Duration, Instant};

use sqlx::PgConnection;

use super::MigrateError;

/// "ERPG" and the first of its locks; two numbers share no key with the locks of one number.
const KEY: (i32, i32) = (0x4552_5047, 1);

const AGAIN: Duration = Duration::from_millis(200);

pub(super) async fn acquire(
    connection: &mut PgConnection,
    patience: Duration,
) -> Result<(), MigrateError> {
    let begun = Instant::now();
    let mut told = false;
    loop {
        if try_acquire(connection).await.map_err(MigrateError::own)? {
            return Ok(());
        }
        if begun.elapsed() >= patience {
            return Err(MigrateError::Locked(patience.as_secs()));
        }
        if !std::mem::replace(&mut told, true) {
            tracing::info!("another process migrates; waiting for it");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn try_acquire(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_try_advisory_lock($1, $2)")
        .bind(KEY.0)
        .bind(KEY.1)
        .fetch_one(connection)
        .await
}

pub(super) async fn release(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_unlock($1, $2)")
        .bind(KEY.0)
        .bind(KEY.1)
        .execute(connection)
        .await
        .map(drop)
}
