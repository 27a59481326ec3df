//! What a mail proves with.
//!
//! Owns the table `email_tokens`: 256 random bits, stored as a hash, good once, for one purpose, one
//! user and one address.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::db::{DbTime, QueryType, observed};
use crate::error::{Error, Result};
use crate::random::{LETTERS_OF_256_BITS, letters};
use crate::users::UserId;

/// Live tokens of one purpose that a user may have: more mails than that help nobody but a pest.
const MAX_LIVE: i64 = 3;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    PasswordReset,
    EmailVerification,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
            Self::EmailVerification => "email_verification",
        }
    }

    const fn life(self) -> SignedDuration {
        match self {
            Self::PasswordReset => SignedDuration::from_mins(30),
            Self::EmailVerification => SignedDuration::from_hours(24),
        }
    }
}

/// Whom a token belongs to, and where it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Redeemed {
    pub(crate) user: UserId,
    pub(crate) address: String,
}

fn redeemed(row: &PgRow) -> Result<Redeemed, sqlx::Error> {
    Ok(Redeemed {
        user: row.try_get("user_id")?,
        address: row.try_get("address")?,
    })
}

fn digest(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// Draws a token and stores its hash; nothing when the user has enough of them.
pub(super) async fn issue(
    connection: &mut PgConnection,
    purpose: Purpose,
    user: UserId,
    address: &str,
) -> Result<Option<String>> {
    let token = letters(LETTERS_OF_256_BITS)
        .map_err(|error| Error::internal("draw an e-mail token", error))?;
    let now = DbTime::now();
    let end = now.0.checked_add(purpose.life()).unwrap_or(Timestamp::MAX);
    let query = sqlx::query(
        "INSERT INTO email_tokens (id, user_id, purpose, token_hash, address, created_at, expires_at)
         SELECT $1, $2, $3, $4, $5, $6, $7
         WHERE (SELECT count(*) FROM email_tokens
                WHERE user_id = $2 AND purpose = $3 AND expires_at > $6) < $8",
    )
    .bind(Uuid::now_v7())
    .bind(user)
    .bind(purpose.as_str())
    .bind(digest(&token))
    .bind(address)
    .bind(now)
    .bind(DbTime::truncated(end))
    .bind(MAX_LIVE)
    .execute(connection);
    let stored = observed(QueryType::Insert, "email_tokens.issue", query)
        .await
        .map_err(|error| Error::database("store an e-mail token", error))?;
    Ok((stored.rows_affected() == 1).then_some(token))
}

/// Takes back what [`issue`] stored: its mail was not sent.
pub(super) async fn withdraw(connection: &mut PgConnection, token: &str) -> Result<()> {
    let query = sqlx::query("DELETE FROM email_tokens WHERE token_hash = $1")
        .bind(digest(token))
        .execute(connection);
    observed(QueryType::Delete, "email_tokens.withdraw", query)
        .await
        .map(drop)
        .map_err(|error| Error::database("withdraw an e-mail token", error))
}

/// Whose token it is, if it is good; it stays good.
pub(crate) async fn find(
    connection: &mut PgConnection,
    purpose: Purpose,
    token: &str,
) -> Result<Option<Redeemed>> {
    let fail = |error| Error::database("look an e-mail token up", error);
    let query = sqlx::query(
        "SELECT user_id, address FROM email_tokens
         WHERE token_hash = $1 AND purpose = $2 AND expires_at > now()",
    )
    .bind(digest(token))
    .bind(purpose.as_str())
    .fetch_optional(connection);
    let row = observed(QueryType::Select, "email_tokens.find", query)
        .await
        .map_err(fail)?;
    row.as_ref().map(redeemed).transpose().map_err(fail)
}

/// Uses the token up, and every other one of its user and purpose with it. Of two that try at once
/// one finds it gone.
pub(crate) async fn redeem(
    connection: &mut PgConnection,
    purpose: Purpose,
    token: &str,
) -> Result<Option<Redeemed>> {
    let fail = |error| Error::database("use an e-mail token up", error);
    let query = sqlx::query(
        "DELETE FROM email_tokens WHERE token_hash = $1 AND purpose = $2 AND expires_at > now()
         RETURNING user_id, address",
    )
    .bind(digest(token))
    .bind(purpose.as_str())
    .fetch_optional(&mut *connection);
    let row = observed(QueryType::Delete, "email_tokens.redeem", query)
        .await
        .map_err(fail)?;
    let Some(used) = row.as_ref().map(redeemed).transpose().map_err(fail)? else {
        return Ok(None);
    };
    spend(connection, purpose, used.user).await?;
    Ok(Some(used))
}

/// Uses every token of the user and purpose up.
pub(crate) async fn spend(
    connection: &mut PgConnection,
    purpose: Purpose,
    user: UserId,
) -> Result<()> {
    let query = sqlx::query("DELETE FROM email_tokens WHERE user_id = $1 AND purpose = $2")
        .bind(user)
        .bind(purpose.as_str())
        .execute(connection);
    observed(QueryType::Delete, "email_tokens.spend", query)
        .await
        .map(drop)
        .map_err(|error| Error::database("use e-mail tokens up", error))
}
