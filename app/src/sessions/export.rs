//! A person's sign-ins for the export of a person's data.
//!
//! Owns their shape there and the read, ended ones included.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::db::{DbTime, QueryType, observed};
use crate::error::{Error, Result};
use crate::users::UserId;

/// More than a user can have at once.
const MAX: i64 = 1_000;

/// A sign-in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PersonSession {
    /// Id.
    pub(crate) id: Uuid,
    /// What the device called itself.
    #[schema(example = "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0")]
    pub(crate) user_agent: String,
    /// From which address.
    #[schema(example = "192.0.2.7")]
    pub(crate) address: String,
    /// When it began.
    pub(crate) created_at: Timestamp,
    /// When it was last used, to within a minute.
    pub(crate) last_seen_at: Option<Timestamp>,
    /// When it ends.
    pub(crate) expires_at: Timestamp,
    /// When it was ended before its time.
    pub(crate) revoked_at: Option<Timestamp>,
    /// Why.
    #[schema(example = "logout")]
    pub(crate) revoked_reason: Option<String>,
}

pub(crate) async fn everything(
    connection: &mut PgConnection,
    user: UserId,
) -> Result<Vec<PersonSession>> {
    let fail = |error| Error::database("export a user's sessions", error);
    let query = sqlx::query(
        "SELECT id, user_agent, address, created_at, last_seen_at, expires_at, revoked_at,
                revoked_reason
         FROM sessions WHERE user_id = $1 ORDER BY created_at DESC LIMIT $2",
    )
    .bind(user)
    .bind(MAX)
    .fetch_all(connection);
    let rows = observed(QueryType::Select, "sessions.export", query)
        .await
        .map_err(fail)?;
    let time = |row: &PgRow, column| {
        let at = row.try_get::<Option<DbTime>, _>(column)?;
        Ok::<_, sqlx::Error>(at.map(|at| at.0))
    };
    let read = |row: &PgRow| {
        Ok(PersonSession {
            id: row.try_get("id")?,
            user_agent: row.try_get("user_agent")?,
            address: row.try_get("address")?,
            created_at: row.try_get::<DbTime, _>("created_at")?.0,
            last_seen_at: time(row, "last_seen_at")?,
            expires_at: row.try_get::<DbTime, _>("expires_at")?.0,
            revoked_at: time(row, "revoked_at")?,
            revoked_reason: row.try_get("revoked_reason")?,
        })
    };
    rows.iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(fail)
}
