//! The subcommands db-credentials and redis-credentials: give a login that takes turns with another its
//! password, or take it away.
//!
//! Owns what both share: files of one line, and how the end is told. A Job of the operator runs them with
//! credentials that no serving pod has. The password itself never comes here: only what the server keeps
//! of it does, which cannot be logged in with. No connection is ended by it (I-03, I-04).

pub mod database;
mod error;
pub mod redis;

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use erpgo_secret_set::Secret;

use crate::cli::{Exit, list_faults};
use crate::config::Settings;
use crate::{secret_file, start};

pub use error::CredentialsError;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads the file's one line.
fn read(path: &Path) -> Result<Secret, CredentialsError> {
    secret_file::read(path).map_err(|source| CredentialsError::File {
        path: path.to_owned(),
        source,
    })
}

/// Does `work` on the password of `login`, which is set or taken away, and tells how it ended.
fn carry_out(
    settings: &Settings,
    login: &impl Display,
    is_set: bool,
    work: impl Future<Output = Result<(), CredentialsError>>,
) -> Exit {
    let runtime = match start::runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let _entered = runtime.enter();
    // Logs only: a Job that lives for a second has no use for an exporter.
    let _telemetry = start::telemetry(settings);
    match runtime.block_on(work) {
        Ok(()) => {
            tracing::info!(%login, is_set, "the password was changed");
            Exit::Ok
        }
        Err(error) => {
            let outcome = error.outcome();
            tracing::error!(%login, error = error.explain(), "the password {outcome}");
            let headline = format!("the password of {login} {outcome}");
            list_faults(&headline, &[error.explain()]);
            error.exit()
        }
    }
}
