//! A person's mails for the export of a person's data.
//!
//! Owns their shape there and the reads: what was not sent, and what the codes that were sent are good for. Never
//! tells a code or its hash.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use utoipa::ToSchema;

use crate::db::{DbTime, QueryType, observed};
use crate::error::{Error, Result};
use crate::users::UserId;

/// More than there are of a user.
const MAX: i64 = 1_000;

/// A mail that waits to be sent, or was given up.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PersonMail {
    /// What it tells.
    #[schema(example = "password_changed")]
    pub(crate) kind: String,
    /// To which address.
    #[schema(example = "ann@example.org")]
    pub(crate) address: String,
    /// When it was written.
    pub(crate) created_at: Timestamp,
    /// Until when it is kept.
    pub(crate) expires_at: Timestamp,
    /// When it was given up.
    pub(crate) failed_at: Option<Timestamp>,
}

/// A code that was sent by mail and was not used, without the code itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PersonEmailToken {
    /// What it is good for.
    #[schema(example = "email_verification")]
    pub(crate) purpose: String,
    /// To which address it was sent.
    #[schema(example = "ann@example.org")]
    pub(crate) address: String,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// When it ends.
    pub(crate) expires_at: Timestamp,
}

pub(crate) async fn mails(connection: &mut PgConnection, user: UserId) -> Result<Vec<PersonMail>> {
    let fail = |error| Error::database("export a user's mails", error);
    // One to this address that names somebody else is theirs: they had the address before.
    let query = sqlx::query(
        "SELECT kind, address, created_at, expires_at, failed_at FROM outbox
         WHERE user_id = $1 OR (user_id IS NULL
               AND lower(address) = (SELECT lower(email) FROM users WHERE id = $1))
         ORDER BY created_at DESC LIMIT $2",
    )
    .bind(user)
    .bind(MAX)
    .fetch_all(connection);
    let rows = observed(QueryType::Select, "outbox.export", query)
        .await
        .map_err(fail)?;
    let read = |row: &PgRow| {
        Ok(PersonMail {
            kind: row.try_get("kind")?,
            address: row.try_get("address")?,
            created_at: row.try_get::<DbTime, _>("created_at")?.0,
            expires_at: row.try_get::<DbTime, _>("expires_at")?.0,
            failed_at: row
                .try_get::<Option<DbTime>, _>("failed_at")?
                .map(|at| at.0),
        })
    };
    rows.iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(fail)
}

pub(crate) async fn tokens(
    connection: &mut PgConnection,
    user: UserId,
) -> Result<Vec<PersonEmailToken>> {
    let fail = |error| Error::database("export a user's e-mail tokens", error);
    let query = sqlx::query(
        "SELECT purpose, address, created_at, expires_at FROM email_tokens
         WHERE user_id = $1 ORDER BY created_at DESC LIMIT $2",
    )
    .bind(user)
    .bind(MAX)
    .fetch_all(connection);
    let rows = observed(QueryType::Select, "email_tokens.export", query)
        .await
        .map_err(fail)?;
    let read = |row: &PgRow| {
        Ok(PersonEmailToken {
            purpose: row.try_get("purpose")?,
            address: row.try_get("address")?,
            created_at: row.try_get::<DbTime, _>("created_at")?.0,
            expires_at: row.try_get::<DbTime, _>("expires_at")?.0,
        })
    };
    rows.iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(fail)
}
