//! One file, all or nothing (P17).
//!
//! Owns [`apply`] and [`revert`]. A file and its row in the history are one transaction; a file without
//! a transaction is one index, which is checked afterwards and dropped when it is not valid.

use std::time::Instant;

use sqlx::{Connection as _, PgConnection};

use super::file::{Migration, Mode};
use super::index::{self, State};
use super::statement::Statement;
use super::{MigrateError, history};

pub(super) async fn apply(
    connection: &mut PgConnection,
    migration: &Migration,
    app_version: &str,
) -> Result<(), MigrateError> {
    let begun = Instant::now();
    match &migration.mode {
        Mode::Transaction => in_transaction(connection, migration, begun, app_version).await,
        Mode::Concurrent { index } => {
            build(connection, migration, index).await?;
            let took = begun.elapsed();
            history::record(connection, migration, took, app_version)
                .await
                .map_err(MigrateError::own)
        }
    }
}

async fn in_transaction(
    connection: &mut PgConnection,
    migration: &Migration,
    begun: Instant,
    app_version: &str,
) -> Result<(), MigrateError> {
    let mut tx = connection.begin().await.map_err(MigrateError::own)?;
    run_all(&mut tx, &migration.name, &migration.up).await?;
    let last = || ending(migration);
    history::record(&mut tx, migration, begun.elapsed(), app_version)
        .await
        .map_err(|error| MigrateError::statement(&migration.name, last(), error))?;
    // Deferred constraints are checked here.
    tx.commit()
        .await
        .map_err(|error| MigrateError::statement(&migration.name, last(), error))
}

/// Stands in for a statement when the file's end fails.
fn ending(migration: &Migration) -> String {
    format!("COMMIT of {}", migration.name)
}

async fn run_all(
    connection: &mut PgConnection,
    name: &str,
    statements: &[Statement],
) -> Result<(), MigrateError> {
    for (position, statement) in statements.iter().enumerate() {
        let begun = Instant::now();
        run(connection, statement)
            .await
            .map_err(|error| MigrateError::statement(name, statement.shown(), error))?;
        tracing::info!(
            migration = name,
            statement = position + 1,
            of = statements.len(),
            duration_seconds = begun.elapsed().as_secs_f64(),
            "statement done"
        );
    }
    Ok(())
}

// The simple protocol: one statement, no prepared plan, no parameters.
async fn run(connection: &mut PgConnection, statement: &Statement) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement.sql()))
        .execute(connection)
        .await
        .map(drop)
}

async fn build(
    connection: &mut PgConnection,
    migration: &Migration,
    index: &str,
) -> Result<(), MigrateError> {
    let name = &migration.name;
    index::drop_invalid(connection, index)
        .await
        .map_err(|error| MigrateError::statement(name, format!("DROP INDEX {index}"), error))?;
    // Built by a run that ended before it could note so.
    if index::state(connection, index)
        .await
        .map_err(MigrateError::own)?
        == State::Valid
    {
        tracing::info!(migration = name, index, "the index is there already");
        return Ok(());
    }
    let built = run_all(connection, name, &migration.up).await;
    let state = index::state(connection, index)
        .await
        .unwrap_or(State::Absent);
    if let Err(error) = index::drop_invalid(connection, index).await {
        tracing::warn!(migration = name, index, %error, "the invalid index stays until the next try");
    }
    built?;
    match state {
        State::Valid => Ok(()),
        State::Absent | State::Invalid => Err(MigrateError::InvalidIndex {
            migration: name.clone(),
            index: index.to_owned(),
        }),
    }
}

/// Takes `migration` back.
pub(super) async fn revert(
    connection: &mut PgConnection,
    migration: &Migration,
) -> Result<(), MigrateError> {
    let mut tx = connection.begin().await.map_err(MigrateError::own)?;
    run_all(&mut tx, &migration.name, &migration.down).await?;
    history::forget(&mut tx, migration.version)
        .await
        .map_err(MigrateError::own)?;
    tx.commit()
        .await
        .map_err(|error| MigrateError::statement(&migration.name, ending(migration), error))
}
