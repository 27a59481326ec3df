//! A sign-in that is half done: the password was right, the second factor is yet to come.
//!
//! Owns the table `login_challenges`. What the client holds in between opens nothing by itself, lasts five
//! minutes and is good once; it is no JWT, so that it can be mistaken for no other token.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::hash::StoredHash;
use super::store::digest;
use crate::db::{DbTime, QueryType, observed};
use crate::error::{Error, Result};
use crate::random::{LETTERS_OF_256_BITS, letters};
use crate::users::UserId;

const LIFE: SignedDuration = SignedDuration::from_mins(5);
/// Challenges that a user may have at once.
const MAX_OPEN: i64 = 5;

/// The password was right; the second factor is needed, too.
#[derive(Serialize, ToSchema)]
pub struct Challenge {
    /// To be sent to /auth/login/second-factor with a code.
    #[schema(format = Password, example = "k3Vd80Lx…")]
    challenge_token: String,
    /// Until when.
    expires_at: Timestamp,
}

/// Opens a challenge for the user; none when they may not sign in, or their hash is no longer the one that
/// was `verified`. Until it is committed, whoever changes them waits.
pub(super) async fn open(
    connection: &mut PgConnection,
    user: UserId,
    verified: &StoredHash,
) -> Result<Option<Challenge>> {
    let fail = |error| Error::database("store a challenge", error);
    let token =
        letters(LETTERS_OF_256_BITS).map_err(|error| Error::internal("draw a challenge", error))?;
    let now = DbTime::now();
    let end = DbTime::truncated(now.0.checked_add(LIFE).unwrap_or(now.0));
    let query = sqlx::query(
        "INSERT INTO login_challenges (id, user_id, token_hash, created_at, expires_at)
         SELECT $1, id, $3, $4, $5 FROM users
         WHERE id = $2 AND is_active AND password_hash = $6 FOR SHARE",
    )
    .bind(Uuid::now_v7())
    .bind(user)
    .bind(digest(&token))
    .bind(now)
    .bind(end)
    .bind(&verified.phc)
    .execute(&mut *connection);
    let opened = observed(QueryType::Insert, "login_challenges.open", query)
        .await
        .map_err(fail)?;
    if opened.rows_affected() == 0 {
        return Ok(None);
    }
    let query = sqlx::query(
        "DELETE FROM login_challenges WHERE id IN (
             SELECT id FROM login_challenges WHERE user_id = $1
             ORDER BY created_at DESC, id DESC OFFSET $2)",
    )
    .bind(user)
    .bind(MAX_OPEN)
    .execute(connection);
    observed(QueryType::Delete, "login_challenges.tidy", query)
        .await
        .map_err(fail)?;
    Ok(Some(Challenge {
        challenge_token: token,
        expires_at: end.0,
    }))
}

/// Whose challenge it is, while it is open and they may sign in.
pub(super) async fn find(connection: &mut PgConnection, token: &str) -> Result<Option<UserId>> {
    let query = sqlx::query_scalar(
        "SELECT c.user_id FROM login_challenges c JOIN users u ON u.id = c.user_id
         WHERE c.token_hash = $1 AND c.expires_at > now() AND u.is_active",
    )
    .bind(digest(token))
    .fetch_optional(connection);
    observed(QueryType::Select, "login_challenges.find", query)
        .await
        .map_err(|error| Error::database("look a challenge up", error))
}

/// Uses the challenge up; false when it was, or its time is over.
pub(super) async fn close(connection: &mut PgConnection, token: &str) -> Result<bool> {
    let query =
        sqlx::query("DELETE FROM login_challenges WHERE token_hash = $1 AND expires_at > now()")
            .bind(digest(token))
            .execute(connection);
    observed(QueryType::Delete, "login_challenges.close", query)
        .await
        .map(|done| done.rows_affected() == 1)
        .map_err(|error| Error::database("use a challenge up", error))
}
