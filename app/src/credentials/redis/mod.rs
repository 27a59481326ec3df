//! The redis-credentials subcommand.
//!
//! Owns [`run`], what it is asked for ([`Order`]) and the order of its steps: files, connection, check,
//! change, save.

mod connect;
mod hash;
mod user;

use std::path::PathBuf;

use super::{CredentialsError, PATIENCE, carry_out, read};
use crate::cli::Exit;
use crate::config::{Settings, Sources};

pub use connect::Refusal;
pub use hash::Hash;
pub use user::UserName;

const ADMIN_FILE: &str = "/etc/erpgo/redis-admin/url";
const VERIFIER_FILE: &str = "/etc/erpgo/redis-rotation/verifier";

/// What is asked for.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Order {
    /// Give the user the password behind a SHA-256; every other password of it goes.
    Set {
        /// The user.
        #[arg(long)]
        user: UserName,
        /// File with the URL of a user that may change passwords.
        #[arg(long, default_value = ADMIN_FILE)]
        admin_file: PathBuf,
        /// File with the SHA-256 of the password, as 64 hexadecimal digits.
        #[arg(long, default_value = VERIFIER_FILE)]
        verifier_file: PathBuf,
    },
    /// Take the user's passwords away; who is connected stays connected.
    Clear {
        /// The user.
        #[arg(long)]
        user: UserName,
        /// File with the URL of a user that may change passwords.
        #[arg(long, default_value = ADMIN_FILE)]
        admin_file: PathBuf,
    },
}

impl Order {
    fn user(&self) -> &UserName {
        match self {
            Self::Set { user, .. } | Self::Clear { user, .. } => user,
        }
    }

    fn admin_file(&self) -> &PathBuf {
        match self {
            Self::Set { admin_file, .. } | Self::Clear { admin_file, .. } => admin_file,
        }
    }

    fn hash(&self) -> Result<Option<Hash>, CredentialsError> {
        match self {
            Self::Set { verifier_file, .. } => Hash::read(verifier_file).map(Some),
            Self::Clear { .. } => Ok(None),
        }
    }
}

/// Does what is asked for.
#[must_use]
pub fn run(order: &Order, settings: &Settings, _: &Sources) -> Exit {
    let is_set = matches!(order, Order::Set { .. });
    carry_out(settings, order.user(), is_set, work(order))
}

async fn work(order: &Order) -> Result<(), CredentialsError> {
    let path = order.admin_file();
    // Both files first: a wrong one must not cost the wait for Redis.
    let (admin, hash) = (read(path)?, order.hash()?);
    let client =
        connect::client(&admin).ok_or_else(|| CredentialsError::RedisUrl { path: path.clone() })?;
    let mut connection = connect::connect(&client, PATIENCE)
        .await
        .map_err(CredentialsError::RedisConnect)?;
    user::check(&mut connection, order.user()).await?;
    user::change(&mut connection, order.user(), hash.as_ref()).await?;
    user::save(&mut connection).await
}
