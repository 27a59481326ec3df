//! From one schema to another, under the lock.
//!
//! Owns [`Runner`]. It connects nowhere: the connection it is given is its own until it is done.

use std::time::Duration;

use sqlx::PgConnection;

use super::set::MigrationSet;
use super::{MigrateError, apply, history, lock, plan};

/// How to go about it.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a statement may wait for a lock: those who wait behind it wait as long.
    pub lock_timeout: Duration,
    /// How long to wait for another process that migrates.
    pub patience: Duration,
    /// Whether files that take data away may run.
    pub allow_destructive: bool,
    /// What the history notes of this program.
    pub app_version: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lock_timeout: Duration::from_secs(5),
            patience: Duration::from_secs(60),
            allow_destructive: false,
            app_version: crate::VERSION.to_owned(),
        }
    }
}

/// Brings a database to the schema of a set of files.
#[derive(Clone, Debug)]
pub struct Runner {
    set: MigrationSet,
    options: Options,
}

impl Runner {
    /// A runner of `set`.
    #[must_use]
    pub fn new(set: MigrationSet, options: Options) -> Self {
        Self { set, options }
    }

    /// Applies what is pending; `applied` gets each name as soon as it is committed.
    ///
    /// # Errors
    /// The first failure; what was committed before it stays.
    pub async fn run(
        &self,
        connection: &mut PgConnection,
        applied: &mut Vec<String>,
    ) -> Result<(), MigrateError> {
        self.begin(connection).await?;
        let outcome = self.run_locked(connection, applied).await;
        end(connection, outcome).await
    }

    /// Takes back every file above `version`, newest first.
    ///
    /// # Errors
    /// The first failure; what was taken back before it stays so.
    pub async fn revert_to(
        &self,
        connection: &mut PgConnection,
        version: i32,
    ) -> Result<Vec<String>, MigrateError> {
        self.begin(connection).await?;
        let outcome = self.revert_locked(connection, version).await;
        end(connection, outcome).await
    }

    async fn begin(&self, connection: &mut PgConnection) -> Result<(), MigrateError> {
        let sql = format!(
            "SET statement_timeout = 0; SET lock_timeout = {}",
            self.options.lock_timeout.as_millis()
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut *connection)
            .await
            .map_err(MigrateError::own)?;
        lock::acquire(connection, self.options.patience).await
    }

    async fn run_locked(
        &self,
        connection: &mut PgConnection,
        applied: &mut Vec<String>,
    ) -> Result<(), MigrateError> {
        history::prepare(connection)
            .await
            .map_err(MigrateError::own)?;
        let history = history::read(connection).await.map_err(MigrateError::own)?;
        let pending = plan::pending(&self.set, &history)?;
        if !self.options.allow_destructive {
            // Before anything runs: half of a release is not what anybody asked for.
            plan::harmless(&pending)?;
        }
        for migration in pending {
            tracing::info!(migration = migration.name, "applying");
            apply::apply(connection, migration, &self.options.app_version).await?;
            tracing::info!(migration = migration.name, "applied");
            applied.push(migration.name.clone());
        }
        Ok(())
    }

    async fn revert_locked(
        &self,
        connection: &mut PgConnection,
        version: i32,
    ) -> Result<Vec<String>, MigrateError> {
        let history = history::read(connection).await.map_err(MigrateError::own)?;
        plan::pending(&self.set, &history)?;
        let newer = |row: &&history::Applied| row.version > version;
        let files: Vec<_> = history
            .iter()
            .rev()
            .filter(newer)
            .filter_map(|row| self.set.get(row.version))
            .collect();
        if let Some(file) = files.iter().find(|file| file.down.is_empty()) {
            return Err(MigrateError::NoWayBack {
                migration: file.name.clone(),
            });
        }
        let mut reverted = Vec::new();
        for file in files {
            tracing::info!(migration = file.name, "taking back");
            apply::revert(connection, file).await?;
            reverted.push(file.name.clone());
        }
        Ok(reverted)
    }
}

/// Gives the lock back; a session that is broken has lost it anyway.
async fn end<T>(
    connection: &mut PgConnection,
    outcome: Result<T, MigrateError>,
) -> Result<T, MigrateError> {
    if let Err(error) = lock::release(connection).await {
        tracing::debug!(%error, "the migration lock ends with its session");
    }
    outcome
}
