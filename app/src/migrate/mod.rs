//! Migrations: which there are, which are pending, how they are run (R19).
//!
//! ```text
//! connect (waits) ─▶ lock ─▶ history ─▶ plan (pure) ─▶ apply, file by file ─▶ first administrator ─▶ report
//! ```
//!
//! At most one process migrates a database (I-02), and a file that fails leaves nothing of itself
//! behind (P17). `serve` only asks [`pending`], and of a new URL's database [`missing`]; nothing but
//! `migrate` changes the schema.

mod admin;
mod apply;
mod connect;
mod connections;
mod error;
mod file;
mod history;
mod index;
mod lexer;
mod lock;
mod plan;
mod report;
mod runner;
mod set;
mod statement;

use std::path::PathBuf;
use std::sync::Arc;

use erpgo_secret_set::SecretSet;
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::cli::{Exit, list_faults};
use crate::config::{Settings, Sources};
use crate::error::{Error, Result};
use crate::start::{self, Begun};
use crate::users::bootstrap::Bootstrap;

pub use admin::{AdminError, create as create_admin};
pub use connect::connect;
pub use error::MigrateError;
pub use file::{FileError, Migration, Mode};
pub use report::{Outcome, Report};
pub use runner::{Options, Runner};
pub use set::{MigrationSet, SetError, embedded};
pub use statement::Statement;

/// Runs the migrate subcommand.
#[must_use]
pub fn run(settings: Settings, _: Sources) -> Exit {
    match start::runtime() {
        Ok(runtime) => runtime.block_on(migrate(settings)),
        Err(exit) => exit,
    }
}

async fn migrate(settings: Settings) -> Exit {
    let Begun { set, telemetry, .. } = match start::begin(&settings).await {
        Ok(begun) => begun,
        Err(exit) => return exit,
    };
    let mut course = Course::default();
    let end = work(&settings, Arc::new(set), &mut course).await;
    let report = Report {
        connections: course.connections,
        ..Report::new(course.applied, end.as_ref().copied())
    };
    report.publish();
    let exit = match &end {
        Ok(()) => {
            tracing::info!(outcome = ?report.outcome, applied = ?report.applied, "migrations are complete");
            Exit::Ok
        }
        Err(error) => {
            let (migration, statement) = error.place();
            tracing::error!(outcome = ?report.outcome, migration, statement, error = error.explain(), "migrations are not complete");
            list_faults("migrations are not complete", &[error.explain()]);
            error.exit()
        }
    };
    // Spans that cannot be delivered change nothing about the schema.
    let _ = tokio::task::spawn_blocking(move || telemetry.shutdown()).await;
    exit
}

/// What has come of a run, however it ends.
#[derive(Default)]
struct Course {
    applied: Vec<String>,
    connections: Option<i32>,
}

async fn work(
    settings: &Settings,
    secrets: Arc<SecretSet>,
    course: &mut Course,
) -> Result<(), MigrateError> {
    let files = embedded().map_err(MigrateError::Set)?;
    let options = Options {
        lock_timeout: settings.migrations.lock_timeout,
        allow_destructive: settings.migrations.allow_destructive,
        ..Options::default()
    };
    let url = &secrets.keys.database.current.value;
    let mut connection = connect(url, connect::PATIENCE).await?;
    Runner::new(files, options)
        .run(&mut connection, &mut course.applied)
        .await?;
    course.connections = connections::of_server(&mut connection).await;
    if let Some(directory) = std::env::var_os("ERPGO_BOOTSTRAP_DIR").map(PathBuf::from) {
        let made = create_admin(
            &mut connection,
            Arc::clone(&secrets),
            &settings.auth,
            &directory,
        )
        .await
        .map_err(MigrateError::Administrator)?;
        if made == Bootstrap::Created {
            tracing::info!("the first administrator was created");
        }
    }
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "the connection did not close in good order");
    }
    Ok(())
}

/// Names of the migrations that `pool`'s database lacks.
///
/// A database that has more than this program knows lacks nothing: while a newer version is rolled
/// out, this one goes on serving.
///
/// # Errors
/// When the database does not answer.
pub async fn pending(pool: &PgPool) -> Result<Vec<String>> {
    let files = embedded().map_err(|error| Error::internal("read the migrations", error))?;
    let fail = |error| Error::database("look for pending migrations", error);
    let mut connection = pool.acquire().await.map_err(fail)?;
    missing(&mut connection, &files).await.map_err(fail)
}

/// Names of the migrations of `files` that the database of `connection` lacks, as [`pending`] tells them.
///
/// # Errors
/// What the driver says, when the database does not answer or the role may not read the history.
pub async fn missing(
    connection: &mut PgConnection,
    files: &MigrationSet,
) -> Result<Vec<String>, sqlx::Error> {
    let applied = history::read(connection).await?;
    let missing = plan::missing(files, &applied);
    Ok(missing.into_iter().map(|file| file.name.clone()).collect())
}
