//! SQL of the second factor.
//!
//! Owns `second_factors` and `recovery_codes`. The secret is opened here and leaves this folder only to the
//! user who enrols it.

use sqlx::{PgConnection, Row as _};

use super::wire::SecondFactor;
use crate::db::{DbTime, QueryType, observed};
use crate::error::{Error, Result};
use crate::subjects;
use crate::users::UserId;

/// A second factor, confirmed or not.
pub(super) struct Factor {
    pub(super) secret: Vec<u8>,
    pub(super) confirmed: bool,
}

// Bytes that were moved to another user do not open there.
fn context(user: UserId) -> Vec<u8> {
    [b"totp:", &user.0.as_bytes()[..]].concat()
}

/// The user's factor; nobody else checks one of theirs until the transaction ends.
pub(super) async fn lock(connection: &mut PgConnection, user: UserId) -> Result<Option<Factor>> {
    let fail = |error| Error::database("read a second factor", error);
    let query = sqlx::query(
        "SELECT sealed_secret, confirmed_at IS NOT NULL AS confirmed FROM second_factors
         WHERE user_id = $1 FOR UPDATE",
    )
    .bind(user)
    .fetch_optional(&mut *connection);
    let row = observed(QueryType::Select, "second_factors.lock", query)
        .await
        .map_err(fail)?;
    let Some(row) = row else { return Ok(None) };
    let sealed: Vec<u8> = row.try_get("sealed_secret").map_err(fail)?;
    let key = subjects::key(connection, user.into()).await?;
    let secret = key.and_then(|key| key.open(&context(user), &sealed));
    let secret = secret.ok_or_else(|| {
        Error::internal("open a second factor", "it was sealed under another key")
    })?;
    Ok(Some(Factor {
        secret,
        confirmed: row.try_get("confirmed").map_err(fail)?,
    }))
}

/// Puts a new factor in the place of one that was never confirmed; false when one is in use. The user's row is
/// held: an erasure that is under way would leave what is put here.
pub(super) async fn put(
    connection: &mut PgConnection,
    user: UserId,
    secret: &[u8],
) -> Result<bool> {
    let key = subjects::key(connection, user.into()).await?;
    let sealed = key
        .ok_or_else(|| Error::internal("seal a second factor", "the user's key was destroyed"))?
        .seal(&context(user), secret)
        .map_err(|error| Error::internal("seal a second factor", error))?;
    let query = sqlx::query(
        "INSERT INTO second_factors (user_id, sealed_secret, created_at) VALUES ($1, $2, $3)
         ON CONFLICT (user_id) DO UPDATE SET
             sealed_secret = excluded.sealed_secret, created_at = excluded.created_at
         WHERE second_factors.confirmed_at IS NULL",
    )
    .bind(user)
    .bind(sealed)
    .bind(DbTime::now())
    .execute(connection);
    observed(QueryType::Insert, "second_factors.put", query)
        .await
        .map(|done| done.rows_affected() == 1)
        .map_err(|error| Error::database("store a second factor", error))
}

/// From now on it is asked for; `step` is used up.
pub(super) async fn confirm(
    connection: &mut PgConnection,
    user: UserId,
    step: i64,
    recovery: &[[u8; 32]],
) -> Result<()> {
    let fail = |error| Error::database("confirm a second factor", error);
    let now = DbTime::now();
    let query = sqlx::query(
        "UPDATE second_factors SET confirmed_at = $2, last_step = $3 WHERE user_id = $1",
    )
    .bind(user)
    .bind(now)
    .bind(step)
    .execute(&mut *connection);
    observed(QueryType::Update, "second_factors.confirm", query)
        .await
        .map_err(fail)?;
    let hashes: Vec<&[u8]> = recovery.iter().map(|hash| &hash[..]).collect();
    let query = sqlx::query(
        "INSERT INTO recovery_codes (user_id, code_hash, created_at)
         SELECT $1, unnest($2::bytea[]), $3",
    )
    .bind(user)
    .bind(hashes)
    .bind(now)
    .execute(connection);
    observed(QueryType::Insert, "recovery_codes.insert", query)
        .await
        .map(drop)
        .map_err(fail)
}

/// Uses `step` up; false when it, or a later one, was used before.
pub(super) async fn advance(
    connection: &mut PgConnection,
    user: UserId,
    step: i64,
) -> Result<bool> {
    let query = sqlx::query(
        "UPDATE second_factors SET last_step = $2 WHERE user_id = $1 AND last_step < $2",
    )
    .bind(user)
    .bind(step)
    .execute(connection);
    observed(QueryType::Update, "second_factors.advance", query)
        .await
        .map(|done| done.rows_affected() == 1)
        .map_err(|error| Error::database("use a code up", error))
}

/// Uses a recovery code up; false when there is none, or no longer.
pub(super) async fn spend(
    connection: &mut PgConnection,
    user: UserId,
    digest: &[u8; 32],
) -> Result<bool> {
    let query = sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2")
        .bind(user)
        .bind(&digest[..])
        .execute(connection);
    observed(QueryType::Delete, "recovery_codes.spend", query)
        .await
        .map(|done| done.rows_affected() == 1)
        .map_err(|error| Error::database("use a recovery code up", error))
}

/// Removes factor and recovery codes; false when there was none.
pub(super) async fn remove(connection: &mut PgConnection, user: UserId) -> Result<bool> {
    let query = sqlx::query(
        "WITH codes AS (DELETE FROM recovery_codes WHERE user_id = $1)
         DELETE FROM second_factors WHERE user_id = $1",
    )
    .bind(user)
    .execute(connection);
    observed(QueryType::Delete, "second_factors.remove", query)
        .await
        .map(|done| done.rows_affected() == 1)
        .map_err(|error| Error::database("remove a second factor", error))
}

/// What the owner may know of it.
pub(crate) async fn state(connection: &mut PgConnection, user: UserId) -> Result<SecondFactor> {
    let query = sqlx::query_as::<_, (bool, i64)>(
        "SELECT EXISTS (SELECT 1 FROM second_factors
                        WHERE user_id = $1 AND confirmed_at IS NOT NULL),
                (SELECT count(*) FROM recovery_codes WHERE user_id = $1)",
    )
    .bind(user)
    .fetch_one(connection);
    observed(QueryType::Select, "second_factors.state", query)
        .await
        .map(|(enabled, recovery_codes_left)| SecondFactor {
            enabled,
            recovery_codes_left,
        })
        .map_err(|error| Error::database("read a second factor", error))
}
