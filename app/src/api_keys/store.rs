//! SQL of API keys.
//!
//! Owns every statement on `api_keys`. Each one that a caller can reach names the owner: another's key
//! is not found.

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, QueryBuilder, Row as _};

use super::ApiKeyId;
use super::domain::{ApiKey, Draft};
use super::key::Fresh;
use crate::db::{self, DbTime, QueryType, Total, observed};
use crate::error::{Error, Result};
use crate::roles::permission::{Permission, PermissionSet};
use crate::users::UserId;

const COLUMNS: &str = "id, name, handle, scopes, created_at, expires_at, last_used_at";

fn scopes(row: &PgRow) -> Result<Vec<Permission>, sqlx::Error> {
    let texts: Vec<String> = row.try_get("scopes")?;
    // Text that is no permission grants nothing.
    Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
}

fn api_key(row: &PgRow) -> Result<ApiKey, sqlx::Error> {
    Ok(ApiKey {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        handle: row.try_get("handle")?,
        scopes: scopes(row)?,
        created_at: row.try_get::<DbTime, _>("created_at")?.0,
        expires_at: row.try_get::<DbTime, _>("expires_at")?.0,
        last_used_at: row
            .try_get::<Option<DbTime>, _>("last_used_at")?
            .map(|at| at.0),
    })
}

/// How many live keys the owner has.
pub(super) async fn count(connection: &mut PgConnection, owner: UserId) -> Result<i64> {
    let query = sqlx::query_scalar(
        "SELECT count(*) FROM api_keys
         WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now()",
    )
    .bind(owner)
    .fetch_one(connection);
    observed(QueryType::Select, "api_keys.count", query)
        .await
        .map_err(|error| Error::database("count API keys", error))
}

/// Removes the owner's dead keys but for the newest `keep`: the table cannot grow without end.
pub(super) async fn tidy(connection: &mut PgConnection, owner: UserId, keep: i64) -> Result<()> {
    let query = sqlx::query(
        "DELETE FROM api_keys WHERE id IN (
             SELECT id FROM api_keys
             WHERE user_id = $1 AND (revoked_at IS NOT NULL OR expires_at <= now())
             ORDER BY created_at DESC, id DESC OFFSET $2)",
    )
    .bind(owner)
    .bind(keep)
    .execute(connection);
    observed(QueryType::Delete, "api_keys.tidy", query)
        .await
        .map(drop)
        .map_err(|error| Error::database("tidy API keys", error))
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    id: ApiKeyId,
    owner: UserId,
    draft: &Draft,
    fresh: &Fresh,
) -> Result<ApiKey> {
    let fail = |error| Error::database("store an API key", error);
    let texts: Vec<&str> = draft.scopes.iter().map(Permission::as_str).collect();
    let sql = format!(
        "INSERT INTO api_keys (id, user_id, name, handle, key_hash, scopes, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING {COLUMNS}"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(id)
        .bind(owner)
        .bind(draft.name.as_str())
        .bind(&fresh.handle)
        .bind(&fresh.digest[..])
        .bind(texts)
        .bind(DbTime::now())
        .bind(DbTime::truncated(draft.expires_at))
        .fetch_one(connection);
    let row = observed(QueryType::Insert, "api_keys.insert", query)
        .await
        .map_err(fail)?;
    api_key(&row).map_err(fail)
}

/// The owner's keys that were not revoked, newest first; [`tidy`] bounds them.
pub(super) async fn list(connection: &mut PgConnection, owner: UserId) -> Result<Vec<ApiKey>> {
    let fail = |error| Error::database("list API keys", error);
    let sql = format!(
        "SELECT {COLUMNS} FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL
         ORDER BY created_at DESC, id DESC LIMIT 100"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(owner)
        .fetch_all(connection);
    let rows = observed(QueryType::Select, "api_keys.list", query)
        .await
        .map_err(fail)?;
    rows.iter()
        .map(api_key)
        .collect::<Result<_, _>>()
        .map_err(fail)
}

/// Revokes a key of `owner`; false when they have none of this id, or no longer.
pub(super) async fn revoke(
    connection: &mut PgConnection,
    owner: UserId,
    id: ApiKeyId,
) -> Result<bool> {
    let query = sqlx::query(
        "UPDATE api_keys SET revoked_at = $3
         WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL",
    )
    .bind(id)
    .bind(owner)
    .bind(DbTime::now())
    .execute(connection);
    observed(QueryType::Update, "api_keys.revoke", query)
        .await
        .map(|done| done.rows_affected() == 1)
        .map_err(|error| Error::database("revoke an API key", error))
}

/// What is known of a key that somebody presents.
pub(crate) struct Known {
    pub(crate) id: ApiKeyId,
    pub(crate) user: UserId,
    pub(crate) digest: Vec<u8>,
    pub(crate) scopes: PermissionSet,
    pub(crate) expires_at: Timestamp,
    /// Whether the key was revoked, or its owner may no longer sign in.
    pub(crate) revoked: bool,
    /// Whether its last use was noted within the minute.
    pub(crate) noted: bool,
    pub(crate) epoch: i64,
}

/// The key with this handle, whatever its state.
pub(crate) async fn known(connection: &mut PgConnection, handle: &str) -> Result<Option<Known>> {
    let fail = |error| Error::database("look an API key up", error);
    let query = sqlx::query(
        "SELECT k.id, k.user_id, k.key_hash, k.scopes, k.expires_at, u.auth_epoch,
                k.revoked_at IS NOT NULL OR NOT u.is_active AS revoked,
                COALESCE(k.last_used_at > now() - interval '1 minute', false) AS noted
         FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.handle = $1",
    )
    .bind(handle)
    .fetch_optional(connection);
    let row = observed(QueryType::Select, "api_keys.known", query)
        .await
        .map_err(fail)?;
    let read = |row: PgRow| {
        Ok(Known {
            id: row.try_get("id")?,
            user: row.try_get("user_id")?,
            digest: row.try_get("key_hash")?,
            scopes: scopes(&row)?.into_iter().collect(),
            expires_at: row.try_get::<DbTime, _>("expires_at")?.0,
            revoked: row.try_get("revoked")?,
            noted: row.try_get("noted")?,
            epoch: row.try_get("auth_epoch")?,
        })
    };
    row.map(read).transpose().map_err(fail)
}

/// Notes that the key is used, unless that was noted within the minute.
pub(crate) async fn touch(connection: &mut PgConnection, id: ApiKeyId) -> Result<()> {
    let query = sqlx::query(
        "UPDATE api_keys SET last_used_at = $2
         WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= now() - interval '1 minute')",
    )
    .bind(id)
    .bind(DbTime::now())
    .execute(connection);
    observed(QueryType::Update, "api_keys.touch", query)
        .await
        .map(drop)
        .map_err(|error| Error::database("note the use of an API key", error))
}

/// How many keys may be used; as with users, very many are not counted one by one.
pub(crate) async fn count_active(connection: &mut PgConnection) -> Result<Total> {
    let statement = |select: &'static str| {
        let mut sql = QueryBuilder::new(select);
        sql.push(" FROM api_keys WHERE revoked_at IS NULL AND expires_at > now()");
        sql
    };
    db::count(connection, "api_keys.count_active", statement)
        .await
        .map_err(|error| Error::database("count API keys", error))
}
