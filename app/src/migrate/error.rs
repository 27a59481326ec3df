//! Why migrating did not succeed, and what is worth another try.
//!
//! Owns [`MigrateError`], its exit code and its outcome. No text carries a value from a row: of what
//! PostgreSQL says, the detail line stays out (I-04).

use super::set::SetError;
use crate::cli::Exit;
use crate::error::{DatabaseFailure, classify};

/// Why migrating did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database is away, or refuses us.
    #[error("the database cannot be reached")]
    Unavailable(#[source] sqlx::Error),
    /// The database did not answer in time.
    #[error("the database did not answer within {0} s")]
    Unanswered(u64),
    /// Another process migrates.
    #[error("another process held the migration lock for {0} s; try again when it is done")]
    Locked(u64),
    /// A statement waited too long for a lock that a client holds.
    #[error("{migration} waited too long for a lock and changed nothing; try again")]
    LockTimeout {
        /// The file.
        migration: String,
        /// The statement, cut short.
        statement: String,
        /// What PostgreSQL says.
        #[source]
        source: sqlx::Error,
    },
    /// A statement failed; nothing of its file is left.
    #[error("{migration} failed and was rolled back; correct it and deploy again")]
    Sql {
        /// The file.
        migration: String,
        /// The statement, cut short.
        statement: String,
        /// What PostgreSQL says.
        #[source]
        source: sqlx::Error,
    },
    /// The index could not be built.
    #[error("{migration} left the index {index} invalid; it was dropped")]
    InvalidIndex {
        /// The file.
        migration: String,
        /// The index.
        index: String,
    },
    /// A file that takes data away, without leave.
    #[error("{migration} takes data away; set migrations.allow_destructive to let it run")]
    Destructive {
        /// The file.
        migration: String,
        /// The statement, cut short.
        statement: String,
    },
    /// The database has seen migrations that this program does not have.
    #[error("the database is newer than this program: it has {}; deploy the version that brought them", names.join(", "))]
    Newer {
        /// The names.
        names: Vec<String>,
    },
    /// A file was edited after it was applied.
    #[error("{migration} differs from what was applied; restore the file and add a new one")]
    Drift {
        /// The file.
        migration: String,
    },
    /// A file has a number below one that is applied.
    #[error("{migration} comes before {applied}, which is applied; give it a higher number")]
    OutOfOrder {
        /// The file.
        migration: String,
        /// The newest applied one.
        applied: String,
    },
    /// The file cannot be taken back.
    #[error("{migration} has no down section; restore a backup instead")]
    NoWayBack {
        /// The file.
        migration: String,
    },
    /// The files of this program are wrong.
    #[error("the migrations of this program are not valid")]
    Set(#[source] SetError),
    /// The first administrator.
    #[error("the schema is up to date, and the first administrator cannot be created")]
    Administrator(#[source] super::admin::AdminError),
}

impl MigrateError {
    /// What a failure of the runner's own statements means.
    pub(super) fn own(error: sqlx::Error) -> Self {
        Self::Unavailable(error)
    }

    /// What the failure of a migration's statement means.
    pub(super) fn statement(migration: &str, statement: String, source: sqlx::Error) -> Self {
        let migration = migration.to_owned();
        if classify(&source) == DatabaseFailure::Connection {
            return Self::Unavailable(source);
        }
        // Lock timeout, deadlock, serialization failure: somebody else's transaction was in the way.
        match state(&source).as_deref() {
            Some("55P03" | "40P01" | "40001") => Self::LockTimeout {
                migration,
                statement,
                source,
            },
            _ => Self::Sql {
                migration,
                statement,
                source,
            },
        }
    }

    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unavailable(error) if classify(error) != DatabaseFailure::Connection => {
                Exit::Migration
            }
            Self::Unavailable(_)
            | Self::Unanswered(_)
            | Self::Locked(_)
            | Self::LockTimeout { .. } => Exit::Temporary,
            Self::Sql { .. }
            | Self::InvalidIndex { .. }
            | Self::Drift { .. }
            | Self::OutOfOrder { .. }
            | Self::NoWayBack { .. } => Exit::Migration,
            Self::Destructive { .. } => Exit::Destructive,
            Self::Newer { .. } => Exit::Schema,
            Self::Set(_) => Exit::Failed,
            Self::Administrator(error) => error.exit(),
        }
    }

    /// File and statement, where there is one.
    #[must_use]
    pub fn place(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::LockTimeout {
                migration,
                statement,
                ..
            }
            | Self::Sql {
                migration,
                statement,
                ..
            }
            | Self::Destructive {
                migration,
                statement,
            } => (Some(migration), Some(statement)),
            Self::InvalidIndex { migration, .. }
            | Self::Drift { migration }
            | Self::OutOfOrder { migration, .. }
            | Self::NoWayBack { migration } => (Some(migration), None),
            _ => (None, None),
        }
    }

    /// The whole chain for people.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&said(error));
            source = error.source();
        }
        text
    }
}

fn state(error: &sqlx::Error) -> Option<String> {
    error
        .as_database_error()?
        .code()
        .map(|code| code.into_owned())
}

/// An error in words, with SQLSTATE and hint where PostgreSQL gives them.
fn said(error: &(dyn std::error::Error + 'static)) -> String {
    use std::fmt::Write as _;
    let database = error
        .downcast_ref::<sqlx::Error>()
        .and_then(sqlx::Error::as_database_error)
        .and_then(|error| error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>());
    let Some(error) = database else {
        return error.to_string();
    };
    let mut text = format!("{} (SQLSTATE {})", error.message(), error.code());
    if let Some(hint) = error.hint() {
        let _ = write!(text, ", hint: {hint}");
    }
    text
}
