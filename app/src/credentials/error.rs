//! Why a password was not changed, and what is worth another try.
//!
//! Owns [`CredentialsError`] and its exit code. No text carries a value (I-04).

use std::path::PathBuf;

use super::redis::Refusal;
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
    #[error("{} does not hold {expected}; passwords are not taken", path.display())]
    Verifier {
        /// The file.
        path: PathBuf,
        /// What it must hold.
        expected: &'static str,
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
    /// Something else than a URL of Redis. Its text stays out of the message.
    #[error("{} does not hold a URL of the form redis://user:password@host:6379", path.display())]
    RedisUrl {
        /// The file.
        path: PathBuf,
    },
    /// Redis is away, or refuses the administrator.
    #[error("Redis cannot be reached as the administrator")]
    RedisConnect(#[source] Refusal),
    /// The user is not set up to take turns.
    #[error("the user is not set up for it: {0}; see docs/guides/redis-users.md")]
    User(&'static str),
    /// Redis refused a command.
    #[error("Redis refused to {step}")]
    Redis {
        /// What was tried.
        step: &'static str,
        /// What Redis says.
        #[source]
        source: Refusal,
    },
    /// The change is made and a restart of Redis would undo it.
    #[error("Redis refused to save its access list")]
    Unsaved(#[source] Refusal),
}

impl CredentialsError {
    /// The exit code, as that of migrate.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::File { .. }
            | Self::Verifier { .. }
            | Self::Role(_)
            | Self::RedisUrl { .. }
            | Self::User(_) => Exit::Config,
            Self::Connect(error) => error.exit(),
            Self::RedisConnect(_) => Exit::Temporary,
            Self::Sql { source, .. } if classify(source) == DatabaseFailure::Connection => {
                Exit::Temporary
            }
            Self::Redis { source, .. } | Self::Unsaved(source) if source.passes() => {
                Exit::Temporary
            }
            Self::Sql { .. } | Self::Redis { .. } | Self::Unsaved(_) => Exit::Migration,
        }
    }

    /// What became of the password.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Unsaved(_) => "was changed and is not saved",
            // Its answer may be what was lost.
            Self::Sql { .. } | Self::Redis { .. } if self.exit() == Exit::Temporary => {
                "may have been changed"
            }
            _ => "is as it was",
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
