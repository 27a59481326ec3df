//! A person's API keys for the export of a person's data.
//!
//! Owns their shape there and the read, ended ones included.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use utoipa::ToSchema;
use uuid::Uuid;

use super::key::PREFIX;
use crate::db::{DbTime, QueryType, observed};
use crate::error::{Error, Result};
use crate::users::UserId;

/// More than are kept of a user.
const MAX: i64 = 1_000;

/// An API key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PersonApiKey {
    /// Id.
    pub(crate) id: Uuid,
    /// Name.
    #[schema(example = "web shop")]
    pub(crate) name: String,
    /// How the key begins, to tell it from others.
    #[schema(example = "erp_4fXk02LmQpZr")]
    pub(crate) prefix: String,
    /// What it may be used for.
    #[schema(example = json!(["products.read"]))]
    pub(crate) scopes: Vec<String>,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// When it ends.
    pub(crate) expires_at: Timestamp,
    /// When it was last used, to within a minute.
    pub(crate) last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub(crate) revoked_at: Option<Timestamp>,
}

pub(crate) async fn everything(
    connection: &mut PgConnection,
    user: UserId,
) -> Result<Vec<PersonApiKey>> {
    let fail = |error| Error::database("export a user's API keys", error);
    let query = sqlx::query(
        "SELECT id, name, handle, scopes, created_at, expires_at, last_used_at, revoked_at
         FROM api_keys WHERE user_id = $1 ORDER BY created_at DESC LIMIT $2",
    )
    .bind(user)
    .bind(MAX)
    .fetch_all(connection);
    let rows = observed(QueryType::Select, "api_keys.export", query)
        .await
        .map_err(fail)?;
    let time = |row: &PgRow, column| {
        let at = row.try_get::<Option<DbTime>, _>(column)?;
        Ok::<_, sqlx::Error>(at.map(|at| at.0))
    };
    let read = |row: &PgRow| {
        Ok(PersonApiKey {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            prefix: format!("{PREFIX}{}", row.try_get::<&str, _>("handle")?),
            scopes: row.try_get("scopes")?,
            created_at: row.try_get::<DbTime, _>("created_at")?.0,
            expires_at: row.try_get::<DbTime, _>("expires_at")?.0,
            last_used_at: time(row, "last_used_at")?,
            revoked_at: time(row, "revoked_at")?,
        })
    };
    rows.iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(fail)
}
