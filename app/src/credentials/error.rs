//! Why a password was not changed, and what is worth another try.
//!
//! Owns [`CredentialsError`] and its exit code. No text carries a value (I-04).

use std::path::PathBuf;

use crate::cli::Exit;
use crate::error::{DatabaseFailure, classify};
use crate::migrate::MigrateError;

/// Why a password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A password, or something else that is none.
    #[error("{} does not hold a SCRAM-SHA-256 verifier; passwords are not taken", path.display())]
    Verifier {
        /// The file.
        path: PathBuf,
    },
    /// The database is away, or refuses the administrator.
    #[error("the database cannot be reached as the administrator")]
    Connect(#[source] MigrateError),
    /// The role is not set up to take turns.
    #[error("the role is not set up for it: {0}; see docs/guides/database-roles.md")]
    Role(&'static str),
    /// PostgreSQL refused a statement.
    #[error("PostgreSQL refused to {step}")]
    Sql {
        /// What was tried.
        step: &'static str,
        /// What PostgreSQL says.
        #[source]
        source: sqlx::Error,
    },
}

impl CredentialsError {
    /// The exit code, as that of migrate.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::File { .. } | Self::Verifier { .. } | Self::Role(_) => Exit::Config,
            Self::Connect(error) => error.exit(),
            Self::Sql { source, .. } if classify(source) == DatabaseFailure::Connection => {
                Exit::Temporary
            }
            Self::Sql { .. } => Exit::Migration,
        }
    }

    /// The whole chain for people.
    #[must_use]
    pub fn explain(&self) -> String {
        match self {
            Self::Connect(error) => format!("{self}: {}", error.explain()),
            _ => erpgo_telemetry::chain(self).to_string(),
        }
    }
}
