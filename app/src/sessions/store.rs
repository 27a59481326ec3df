//! SQL of the list of sessions.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use super::wire::SessionOut;
use crate::db::{DbTime, QueryType, observed};
use crate::error::{Error, Result};
use crate::users::{SessionId, UserId};

fn session(row: &PgRow, current: SessionId) -> Result<SessionOut, sqlx::Error> {
    let id: SessionId = row.try_get("id")?;
    Ok(SessionOut {
        id,
        user_agent: row.try_get("user_agent")?,
        address: row.try_get("address")?,
        created_at: row.try_get::<DbTime, _>("created_at")?.0,
        last_seen_at: row
            .try_get::<Option<DbTime>, _>("last_seen_at")?
            .map(|at| at.0),
        expires_at: row.try_get::<DbTime, _>("expires_at")?.0,
        is_current: id == current,
    })
}

/// The user's sessions that stand, newest first; sign-in bounds their number.
pub(super) async fn list(
    connection: &mut PgConnection,
    user: UserId,
    current: SessionId,
) -> Result<Vec<SessionOut>> {
    let fail = |error| Error::database("list sessions", error);
    let query = sqlx::query(
        "SELECT id, user_agent, address, created_at, last_seen_at, expires_at FROM sessions
         WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now()
         ORDER BY created_at DESC, id DESC LIMIT 100",
    )
    .bind(user)
    .fetch_all(connection);
    let rows = observed(QueryType::Select, "sessions.list", query)
        .await
        .map_err(fail)?;
    rows.iter()
        .map(|row| session(row, current))
        .collect::<Result<_, _>>()
        .map_err(fail)
}
