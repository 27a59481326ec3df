//! What was applied, when, and with which content (R19.5).
//!
//! Owns the table `schema_migrations`. A row is written in the transaction of its migration.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use std::time::Duration;

use super::file::Migration;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The number.
    pub version: i32,
    /// `NNNN_name`.
    pub name: String,
    /// SHA-256 of the file, in hex.
    pub checksum: String,
}

/// Whether the table is there.
async fn exists(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT to_regclass('schema_migrations') IS NOT NULL")
        .fetch_one(connection)
        .await
}

/// Makes the table unless it is there; nothing is written to a database that has it.
pub(super) async fn prepare(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    if exists(connection).await? {
        return Ok(());
    }
    sqlx::query(
        "CREATE TABLE schema_migrations (
             version                integer     PRIMARY KEY CHECK (version > 0),
             name                   text        NOT NULL UNIQUE,
             checksum               text        NOT NULL CHECK (checksum ~ '^[0-9a-f]{64}$'),
             applied_at             timestamptz NOT NULL DEFAULT clock_timestamp(),
             execution_milliseconds bigint      NOT NULL CHECK (execution_milliseconds >= 0),
             app_version            text        NOT NULL
         )",
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Every row in order; none when the table is not there.
pub(super) async fn read(connection: &mut PgConnection) -> Result<Vec<Applied>, sqlx::Error> {
    if !exists(connection).await? {
        return Ok(Vec::new());
    }
    let rows =
        sqlx::query("SELECT version, name, checksum FROM schema_migrations ORDER BY version")
            .fetch_all(connection)
            .await?;
    rows.iter().map(applied).collect()
}

fn applied(row: &PgRow) -> Result<Applied, sqlx::Error> {
    Ok(Applied {
        version: row.try_get("version")?,
        name: row.try_get("name")?,
        checksum: row.try_get("checksum")?,
    })
}

/// Notes that `migration` was applied.
pub(super) async fn record(
    connection: &mut PgConnection,
    migration: &Migration,
    took: Duration,
    app_version: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO schema_migrations (version, name, checksum, execution_milliseconds, app_version)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(migration.version)
    .bind(&migration.name)
    .bind(&migration.checksum)
    .bind(i64::try_from(took.as_millis()).unwrap_or(i64::MAX))
    .bind(app_version)
    .execute(connection)
    .await
    .map(drop)
}

/// Notes that the migration was taken back.
pub(super) async fn forget(connection: &mut PgConnection, version: i32) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM schema_migrations WHERE version = $1")
        .bind(version)
        .execute(connection)
        .await
        .map(drop)
}
