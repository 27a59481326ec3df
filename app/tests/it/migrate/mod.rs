//! Migrations on real PostgreSQL (R19, P17, I-02).

mod failure;
mod files;
mod lock;
mod program;
mod runner;

use erpgo::migrate::{MigrateError, MigrationSet, Options, Runner};
use erpgo_test_kit::postgres::{self, TestDatabase};
use sqlx::{Connection as _, PgConnection};
use std::time::Duration;

/// Nothing here waits long: what is to wait says so.
fn options() -> Options {
    Options {
        lock_timeout: Duration::from_millis(200),
        patience: Duration::from_millis(600),
        allow_destructive: false,
        app_version: "test".to_owned(),
    }
}

fn set(files: &[(&str, &str)]) -> MigrationSet {
    MigrationSet::parse(files.iter().copied()).unwrap()
}

async fn connect(database: &TestDatabase) -> PgConnection {
    PgConnection::connect(&database.url()).await.unwrap()
}

async fn empty() -> (TestDatabase, PgConnection) {
    let database = postgres::database().await;
    let connection = connect(&database).await;
    (database, connection)
}

/// Runs `files`; the answer is what was applied, or why not all.
async fn run(
    connection: &mut PgConnection,
    files: &[(&str, &str)],
    options: Options,
) -> Result<Vec<String>, MigrateError> {
    let mut applied = Vec::new();
    Runner::new(set(files), options)
        .run(connection, &mut applied)
        .await?;
    Ok(applied)
}

/// Everything that a migration could leave behind: objects, columns, rows, history.
async fn everything(connection: &mut PgConnection) -> Vec<String> {
    let objects = "
        SELECT 'class ' || relname || ' ' || relkind::text || ' ' || relnatts::text FROM pg_class
            WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT 'column ' || attrelid::regclass::text || '.' || attname || ' ' || atttypid::regtype::text
            FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND attnum > 0
        UNION ALL SELECT 'type ' || typname FROM pg_type WHERE typnamespace = 'public'::regnamespace
        UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'constraint ' || conname FROM pg_constraint
            WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg_%'
        ORDER BY 1";
    let mut found: Vec<String> = sqlx::query_scalar(objects)
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    for table in ["kept", "schema_migrations"] {
        let text = format!("SELECT t::text FROM {table} t ORDER BY 1");
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(text))
            .fetch_all(&mut *connection)
            .await
            .unwrap();
        found.extend(rows.into_iter().map(|row| format!("{table}: {row}")));
    }
    found
}
