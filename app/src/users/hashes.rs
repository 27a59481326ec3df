//! SQL of password hashes.
//!
//! Owns the reads and writes of `users.password_hash` but for those of signing in. A hash leaves here to be
//! verified, never to be shown (I-04).

use sqlx::PgConnection;

use super::UserId;
use crate::auth::hash::StoredHash;
use crate::db::{DbTime, QueryType, observed};
use crate::error::{Error, Result};

/// The hash of the user's password, to be verified.
pub async fn password_hash(
    connection: &mut PgConnection,
    id: UserId,
) -> Result<Option<StoredHash>> {
    let query = sqlx::query_as::<_, (String, String)>(
        "SELECT password_hash, pepper_kid FROM users WHERE id = $1 AND is_active",
    )
    .bind(id)
    .fetch_optional(connection);
    observed(QueryType::Select, "users.password_hash", query)
        .await
        .map(|row| row.map(|(phc, pepper_kid)| StoredHash { phc, pepper_kid }))
        .map_err(|error| Error::database("read a password hash", error))
}

/// Whether the user may sign in and their hash still is the one that was `verified`; both stay so until the
/// transaction ends.
pub async fn hold(
    connection: &mut PgConnection,
    id: UserId,
    verified: &StoredHash,
) -> Result<bool> {
    let query = sqlx::query(
        "SELECT 1 FROM users WHERE id = $1 AND is_active AND password_hash = $2 FOR NO KEY UPDATE",
    )
    .bind(id)
    .bind(&verified.phc)
    .fetch_optional(connection);
    observed(QueryType::Select, "users.hold", query)
        .await
        .map(|row| row.is_some())
        .map_err(|error| Error::database("hold a password hash", error))
}

/// Puts `hash` in the place of the user's password hash; false when they may not sign in, or that is no longer the
/// one that was `verified`. From here on the user's row is held: sessions and sign-ins of the password before it
/// are ended in the next statement.
pub async fn set_password(
    connection: &mut PgConnection,
    id: UserId,
    hash: &StoredHash,
    verified: Option<&StoredHash>,
) -> Result<bool> {
    let query = sqlx::query(
        "UPDATE users SET password_hash = $2, pepper_kid = $3, auth_epoch = auth_epoch + 1,
                version = version + 1, updated_at = $4
         WHERE id = $1 AND is_active AND ($5::text IS NULL OR password_hash = $5)",
    )
    .bind(id)
    .bind(&hash.phc)
    .bind(&hash.pepper_kid)
    .bind(DbTime::now())
    .bind(verified.map(|hash| hash.phc.as_str()))
    .execute(connection);
    observed(QueryType::Update, "users.set_password", query)
        .await
        .map(|done| done.rows_affected() == 1)
        .map_err(|error| Error::database("set a password", error))
}

/// How many password hashes each pepper holds. Read from the index on `pepper_kid` alone.
///
/// # Errors
/// When the database does not answer.
pub async fn count_by_pepper(connection: &mut PgConnection) -> Result<Vec<(String, i64)>> {
    let query = sqlx::query_as("SELECT pepper_kid, count(*) FROM users GROUP BY pepper_kid")
        .fetch_all(connection);
    observed(QueryType::Select, "users.count_by_pepper", query)
        .await
        .map_err(|error| Error::database("count the hashes of each pepper", error))
}
