//! SQL of erasure.
//!
//! Owns [`forget`], which must name every column and table that tells of a person; a test holds it
//! against the schema.

use sqlx::PgConnection;

use crate::db::{DbTime, QueryType, observed};
use crate::error::{Error, Result};
use crate::tx;
use crate::users::UserId;

/// Leaves of a user the row that others refer to, and nothing that tells of a person. The caller has locked that
/// row: what somebody adds meanwhile would stay.
pub(super) async fn forget(connection: &mut PgConnection, user: UserId) -> Result<()> {
    // First, while the address is still known: mails to it wait under it alone.
    let mails = sqlx::query(
        "DELETE FROM outbox WHERE user_id = $1
            OR lower(address) = (SELECT lower(email) FROM users WHERE id = $1)",
    )
    .bind(user)
    .execute(&mut *connection);
    observed(QueryType::Delete, "outbox.forget", mails)
        .await
        .map_err(|error| Error::database("erase a user's mails", error))?;
    // An empty hash is the hash of nothing; `.invalid` is nobody's domain.
    let anonymous = sqlx::query(
        "UPDATE users SET email = 'erased-' || id || '@erased.invalid', first_name = 'Erased',
                last_name = 'User', email_verified_at = NULL, password_hash = '', pepper_kid = '', is_active = false,
                auth_epoch = auth_epoch + 1, version = version + 1, updated_at = $2
         WHERE id = $1",
    )
    .bind(user)
    .bind(DbTime::now())
    .execute(&mut *connection);
    observed(QueryType::Update, "users.forget", anonymous)
        .await
        .map_err(|error| Error::database("anonymise a user", error))?;
    // Sessions take their refresh tokens along.
    for statement in [
        "DELETE FROM sessions WHERE user_id = $1",
        "DELETE FROM email_tokens WHERE user_id = $1",
        "DELETE FROM second_factors WHERE user_id = $1",
        "DELETE FROM recovery_codes WHERE user_id = $1",
        "DELETE FROM login_challenges WHERE user_id = $1",
        "DELETE FROM api_keys WHERE user_id = $1",
        "DELETE FROM user_roles WHERE user_id = $1",
        "DELETE FROM idempotency_keys WHERE caller = $1",
    ] {
        let query = sqlx::query(statement).bind(user).execute(&mut *connection);
        observed(QueryType::Delete, "users.forget", query)
            .await
            .map_err(|error| Error::database("erase what a user has left", error))?;
    }
    // What others were answered about them.
    tx::forget_about(connection, user).await
}
