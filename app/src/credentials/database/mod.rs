//! The db-credentials subcommand.
//!
//! Owns [`run`], what it is asked for ([`Order`]) and the order of its steps: files, connection, check,
//! change.

mod role;
mod verifier;

use std::path::PathBuf;

use erpgo_secret_set::Secret;
use sqlx::{Connection as _, PgConnection};

use super::{CredentialsError, PATIENCE, carry_out, read};
use crate::cli::Exit;
use crate::config::{Settings, Sources};
use crate::migrate::connect;

pub use role::RoleName;
pub use verifier::Verifier;

const ADMIN_FILE: &str = "/etc/erpgo/db-admin/url";
const VERIFIER_FILE: &str = "/etc/erpgo/db-rotation/verifier";

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
            Self::Set { admin_file, .. } | Self::Clear { admin_file, .. } => read(admin_file),
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
    let is_set = matches!(order, Order::Set { .. });
    carry_out(settings, order.role(), is_set, work(order))
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
