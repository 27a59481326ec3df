//! The first administrator, from two files.
//!
//! Owns the reading of `ERPGO_BOOTSTRAP_DIR` (`email`, `password`). Its values reach no log (I-04).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use erpgo_secret_set::{Secret, SecretSet};
use sqlx::PgConnection;

use crate::auth::hash::Hasher;
use crate::cli::Exit;
use crate::config::AuthSettings;
use crate::error::Error;
use crate::secret_file;
use crate::users::bootstrap::{Bootstrap, bootstrap_admin};

/// Why the first administrator is not there.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// A file cannot be read.
    #[error("{path} cannot be read", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database is away, or the values are refused.
    #[error("creating it failed")]
    Create(#[source] Error),
}

impl AdminError {
    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::File { .. } | Self::Create(Error::Refused(_)) => Exit::Config,
            Self::Create(Error::Unavailable { .. }) => Exit::Temporary,
            Self::Create(Error::Internal { .. }) => Exit::Failed,
        }
    }
}

/// Creates the administrator that `directory` names, unless there are users.
///
/// # Errors
/// When a file cannot be read, a value is refused or the database is away.
pub async fn create(
    connection: &mut PgConnection,
    set: Arc<SecretSet>,
    settings: &AuthSettings,
    directory: &Path,
) -> Result<Bootstrap, AdminError> {
    let email = read(&directory.join("email"))?;
    let password = read(&directory.join("password"))?;
    let hasher = Hasher::new(settings);
    bootstrap_admin(connection, set, &hasher, email.expose_secret(), password)
        .await
        .map_err(AdminError::Create)
}

fn read(path: &Path) -> Result<Secret, AdminError> {
    secret_file::read(path).map_err(|source| AdminError::File {
        path: path.to_owned(),
        source,
    })
}
