//! Ending sessions.
//!
//! Owns the statements that revoke; with all sessions of a user end the sign-ins that are half done. Whoever
//! calls them commits, and then tells [`super::sessions::Sessions::changed`], in that order: an
//! announcement before the commit would make other processes reload what is about to change.

use sqlx::PgConnection;

use crate::db::{DbTime, QueryType, observed};
use crate::error::{Error, Result};
use crate::users::{SessionId, UserId};

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The user signed out.
    Logout,
    /// A refresh token was used twice.
    Reuse,
    /// The user may no longer sign in.
    Deactivated,
    /// The user signed in more often than sessions are kept.
    Excess,
    /// The user ended it from another session.
    Elsewhere,
    /// The password was changed.
    Password,
    /// An administrator ended it.
    Administrator,
}

impl Reason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Reuse => "reuse",
            Self::Deactivated => "deactivated",
            Self::Excess => "excess",
            Self::Elsewhere => "elsewhere",
            Self::Password => "password",
            Self::Administrator => "administrator",
        }
    }
}

/// Ends one session; false when the user has none of this id, or it has ended before.
pub(crate) async fn session(
    connection: &mut PgConnection,
    user: UserId,
    session: SessionId,
    reason: Reason,
) -> Result<bool> {
    let query = sqlx::query(
        "WITH ended AS (
             UPDATE sessions SET revoked_at = $3, revoked_reason = $4
             WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING user_id)
         UPDATE users SET auth_epoch = auth_epoch + 1 WHERE id IN (SELECT user_id FROM ended)",
    )
    .bind(session)
    .bind(user)
    .bind(DbTime::now())
    .bind(reason.as_str())
    .execute(connection);
    observed(QueryType::Update, "sessions.revoke", query)
        .await
        .map(|done| done.rows_affected() == 1)
        .map_err(|error| Error::database("end the session", error))
}

/// Ends every session of the user, and every sign-in that waits for its second factor.
pub(crate) async fn all(connection: &mut PgConnection, user: UserId, reason: Reason) -> Result<()> {
    all_but(connection, user, None, reason).await
}

/// Ends every session of the user but `keep`, and every sign-in that waits for its second factor.
///
/// Whoever changes the password, or bars the user, does so before and in a statement of its own: that one may wait
/// for a sign-in that holds the user's row, and sees nothing that was committed meanwhile. This one begins when
/// the row is had, sees it, and is followed by no other.
pub(crate) async fn all_but(
    connection: &mut PgConnection,
    user: UserId,
    keep: Option<SessionId>,
    reason: Reason,
) -> Result<()> {
    let query = sqlx::query(
        "WITH begun AS (DELETE FROM login_challenges WHERE user_id = $1)
         UPDATE sessions SET revoked_at = $2, revoked_reason = $3
         WHERE user_id = $1 AND revoked_at IS NULL AND id IS DISTINCT FROM $4",
    )
    .bind(user)
    .bind(DbTime::now())
    .bind(reason.as_str())
    .bind(keep)
    .execute(connection);
    observed(QueryType::Update, "sessions.revoke_all", query)
        .await
        .map(drop)
        .map_err(|error| Error::database("end the user's sessions", error))
}

/// Ends the oldest sessions beyond `keep`.
pub(crate) async fn excess(connection: &mut PgConnection, user: UserId, keep: i64) -> Result<()> {
    let query = sqlx::query(
        "UPDATE sessions SET revoked_at = $2, revoked_reason = $3
         WHERE revoked_at IS NULL AND id IN (
             SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL
             ORDER BY created_at DESC, id DESC OFFSET $4)",
    )
    .bind(user)
    .bind(DbTime::now())
    .bind(Reason::Excess.as_str())
    .bind(keep)
    .execute(connection);
    observed(QueryType::Update, "sessions.excess", query)
        .await
        .map(drop)
        .map_err(|error| Error::database("tidy the user's sessions", error))
}
