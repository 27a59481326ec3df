//! The db-credentials subcommand: gives a database role its password, or takes it away.
//!
//! Owns [`run`], what it is asked for ([`Order`]) and the files that it reads. A Job of the operator
//! runs it with credentials that no serving pod has. The password itself never comes here: only its
//! SCRAM verifier does, which cannot be logged in with. No connection is ended by it (I-03, I-04).

mod error;
mod file;
mod role;

use std::path::PathBuf;

use erpgo_secret_set::Secret;
use sqlx::{Connection as _, PgConnection};

use crate::cli::{Exit, list_faults};
use crate::config::{Settings, Sources};
use crate::migrate::connect;
use crate::start;

pub use error::CredentialsError;
pub use file::Verifier;
pub use role::RoleName;

const ADMIN_FILE: &str = "/etc/erpgo/db-admin/url";
const VERIFIER_FILE: &str = "/etc/erpgo/db-rotation/verifier";
/// How long the database may take to answer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// What is asked for.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Order {
    /// Give the role the password behind a SCRAM verifier.
    Set {
        /// The role.
        #[arg(long)]
        role: RoleName,
        /// File with the URL of a role that may change passwords.
        #[arg(long, default_value = ADMIN_FILE)]
        admin_file: PathBuf,
        /// File with the verifier, as PostgreSQL keeps it.
        #[arg(long, default_value = VERIFIER_FILE)]
        verifier_file: PathBuf,
    },
    /// Take the role's password away; who is connected stays connected.
    Clear {
        /// The role.
        #[arg(long)]
        role: RoleName,
        /// File with the URL of a role that may change passwords.
        #[arg(long, default_value = ADMIN_FILE)]
        admin_file: PathBuf,
    },
}

impl Order {
    fn role(&self) -> &RoleName {
        match self {
            Self::Set { role, .. } | Self::Clear { role, .. } => role,
        }
    }

    fn admin(&self) -> Result<Secret, CredentialsError> {
        match self {
            Self::Set { admin_file, .. } | Self::Clear { admin_file, .. } => file::read(admin_file),
        }
    }

    fn verifier(&self) -> Result<Option<Verifier>, CredentialsError> {
        match self {
            Self::Set { verifier_file, .. } => Verifier::read(verifier_file).map(Some),
            Self::Clear { .. } => Ok(None),
        }
    }
}

/// Does what is asked for.
#[must_use]
pub fn run(order: &Order, settings: &Settings, _: &Sources) -> Exit {
    let runtime = match start::runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let (_entered, role) = (runtime.enter(), order.role());
    // Logs only: a Job that lives for a second has no use for an exporter.
    let _telemetry = start::telemetry(settings);
    match runtime.block_on(work(order)) {
        Ok(()) => {
            let is_set = matches!(order, Order::Set { .. });
            tracing::info!(%role, is_set, "the role's password was changed");
            Exit::Ok
        }
        Err(error) => {
            let headline = format!("the password of {role} is as it was");
            tracing::error!(%role, error = error.explain(), "the role's password is as it was");
            list_faults(&headline, &[error.explain()]);
            error.exit()
        }
    }
}

async fn work(order: &Order) -> Result<(), CredentialsError> {
    // Both files first: a wrong one must not cost the wait for a database.
    let (admin, verifier) = (order.admin()?, order.verifier()?);
    let mut connection = connect(&admin, PATIENCE)
        .await
        .map_err(CredentialsError::Connect)?;
    let done = change(&mut connection, order.role(), verifier.as_ref()).await;
    // What does not close in good order ends with its socket.
    let _ = connection.close().await;
    done
}

async fn change(
    connection: &mut PgConnection,
    role: &RoleName,
    verifier: Option<&Verifier>,
) -> Result<(), CredentialsError> {
    role::check(connection, role).await?;
    match verifier {
        Some(verifier) => role::set(connection, role, verifier).await,
        None => role::clear(connection, role).await,
    }
}
