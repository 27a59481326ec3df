//! SQL of sign-in and sessions.
//!
//! Owns the statements on `sessions` and `refresh_tokens` and the reads of `users` that signing in
//! needs. Tokens are stored as SHA-256 alone.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row as _};

use super::hash::StoredHash;
use super::token::{Claims, Issued};
use crate::db::{DbTime, QueryType, observed};
use crate::error::{Error, Result};
use crate::extract::Device;
use crate::limits::Identifier;
use crate::roles::permission::{Permission, PermissionSet};
use crate::users::{SessionId, TokenId, UserId};

/// What a sign-in needs of a user.
pub(super) struct Credentials {
    pub(super) user: UserId,
    pub(super) is_active: bool,
    pub(super) second_factor: bool,
    pub(super) hash: StoredHash,
}

/// What there is for a name.
pub(super) struct Found {
    /// Whoever has it.
    pub(super) known: Option<Credentials>,
    /// The hash of whom a name of nobody looks like (`auth/decoy.rs`); none where there are no users.
    pub(super) double: Option<StoredHash>,
}

/// The user behind what was typed as e-mail, and whoever's id ends after `place`. Nobody where PostgreSQL finds them
/// by letters that their failures are not counted under: it folds `İ` to `i`, and each way to write them would
/// have its own tries.
pub(super) async fn credentials(
    connection: &mut PgConnection,
    email: &str,
    place: &str,
) -> Result<Found> {
    let fail = |error| Error::database("look up the user", error);
    let mut look_up = look_up("", email, place);
    let query = look_up.build().fetch_one(connection);
    let row = observed(QueryType::Select, "auth.credentials", query)
        .await
        .map_err(fail)?;
    let read = || {
        Ok(Found {
            known: known(&row, email)?,
            double: hash(&row, "double_hash", "double_kid")?,
        })
    };
    read().map_err(fail)
}

fn known(row: &PgRow, email: &str) -> sqlx::Result<Option<Credentials>> {
    let stored: Option<String> = row.try_get("email")?;
    let Some(hash) = hash(row, "password_hash", "pepper_kid")? else {
        return Ok(None);
    };
    if stored.is_none_or(|stored| Identifier::of(&stored) != Identifier::of(email)) {
        return Ok(None);
    }
    Ok(Some(Credentials {
        user: row.try_get("id")?,
        is_active: row.try_get("is_active")?,
        second_factor: row.try_get("second_factor")?,
        hash,
    }))
}

fn hash(row: &PgRow, phc: &str, pepper_kid: &str) -> sqlx::Result<Option<StoredHash>> {
    let phc: Option<String> = row.try_get(phc)?;
    let pepper_kid: Option<String> = row.try_get(pepper_kid)?;
    let both = phc.zip(pepper_kid);
    Ok(both.map(|(phc, pepper_kid)| StoredHash { phc, pepper_kid }))
}

/// One row, whoever there is. The last in order has the first one after it.
fn look_up(prefix: &'static str, email: &str, place: &str) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new(prefix);
    sql.push(
        "SELECT known.*, double.password_hash AS double_hash, double.pepper_kid AS double_kid
         FROM (VALUES (1)) AS one
         LEFT JOIN LATERAL (
             SELECT id, email, is_active, password_hash, pepper_kid, EXISTS (
                        SELECT 1 FROM second_factors f
                        WHERE f.user_id = users.id AND f.confirmed_at IS NOT NULL) AS second_factor
             FROM users WHERE lower(email) = lower(",
    );
    sql.push_bind(email.to_owned());
    sql.push(
        ")) AS known ON true
         LEFT JOIN LATERAL (
             (SELECT password_hash, pepper_kid FROM users WHERE right(id::text, 12) > ",
    );
    sql.push_bind(place.to_owned());
    sql.push(
        " ORDER BY right(id::text, 12) LIMIT 1)
             UNION ALL
             (SELECT password_hash, pepper_kid FROM users ORDER BY right(id::text, 12) LIMIT 1)
             LIMIT 1) AS double ON true",
    );
    sql
}

/// Stores `fresh` unless the hash has changed since `stale` was read.
pub(super) async fn rehash(
    connection: &mut PgConnection,
    user: UserId,
    stale: &StoredHash,
    fresh: &StoredHash,
) -> Result<()> {
    let query = sqlx::query(
        "UPDATE users SET password_hash = $3, pepper_kid = $4 WHERE id = $1 AND password_hash = $2",
    )
    .bind(user)
    .bind(&stale.phc)
    .bind(&fresh.phc)
    .bind(&fresh.pepper_kid)
    .execute(connection);
    observed(QueryType::Update, "auth.rehash", query)
        .await
        .map(drop)
        .map_err(|error| Error::database("store the new hash", error))
}

/// Opens the session that `refresh` is the first token of; false when its user may not sign in, or their
/// hash is no longer the one that was `verified`. The lock holds both until the session is committed: whoever
/// changes them waits, and then finds the session to end.
pub(super) async fn open(
    connection: &mut PgConnection,
    refresh: &Claims,
    device: &Device,
    verified: Option<&StoredHash>,
) -> Result<bool> {
    let query = sqlx::query(
        "INSERT INTO sessions (id, user_id, created_at, expires_at, user_agent, address, last_seen_at)
         SELECT $1, id, $3, $4, $5, $6, $3 FROM users
         WHERE id = $2 AND is_active AND ($7::text IS NULL OR password_hash = $7) FOR SHARE",
    )
    .bind(refresh.sid)
    .bind(refresh.sub)
    .bind(DbTime::now())
    .bind(seconds(refresh.exp)?)
    .bind(&device.agent)
    .bind(&device.address)
    .bind(verified.map(|hash| hash.phc.as_str()))
    .execute(connection);
    observed(QueryType::Insert, "sessions.open", query)
        .await
        .map(|done| done.rows_affected() == 1)
        .map_err(|error| Error::database("open the session", error))
}

/// Stores what is kept of a refresh token.
pub(super) async fn keep(
    connection: &mut PgConnection,
    refresh: &Issued,
    parent: Option<TokenId>,
) -> Result<()> {
    let query = sqlx::query(
        "INSERT INTO refresh_tokens (id, session_id, parent_id, token_hash, kid, issued_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(refresh.claims.jti)
    .bind(refresh.claims.sid)
    .bind(parent)
    .bind(digest(&refresh.token))
    .bind(&refresh.kid)
    .bind(seconds(refresh.claims.iat)?)
    .bind(seconds(refresh.claims.exp)?)
    .execute(connection);
    observed(QueryType::Insert, "refresh_tokens.keep", query)
        .await
        .map(drop)
        .map_err(|error| Error::database("store the refresh token", error))
}

/// What is kept of a token.
pub(super) fn digest(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

fn seconds(at: i64) -> Result<DbTime> {
    Timestamp::from_second(at)
        .map(DbTime)
        .map_err(|error| Error::internal("read a token's time", error))
}

/// A refresh token as it is kept.
pub(super) struct Kept {
    pub(super) id: TokenId,
    pub(super) token_hash: Vec<u8>,
    pub(super) kid: String,
    pub(super) issued_at: Timestamp,
    pub(super) expires_at: Timestamp,
    /// How many seconds ago it was used, by the database's clock: those of two pods need not agree.
    pub(super) used_ago: Option<f64>,
}

const KEPT: &str = "SELECT id, token_hash, kid, issued_at, expires_at,
           extract(epoch FROM clock_timestamp() - used_at)::float8 AS used_ago
    FROM refresh_tokens";

fn kept(row: &sqlx::postgres::PgRow) -> Result<Kept, sqlx::Error> {
    Ok(Kept {
        id: row.try_get("id")?,
        token_hash: row.try_get("token_hash")?,
        kid: row.try_get("kid")?,
        issued_at: row.try_get::<DbTime, _>("issued_at")?.0,
        expires_at: row.try_get::<DbTime, _>("expires_at")?.0,
        used_ago: row.try_get("used_ago")?,
    })
}

/// Locks the session, so that its tokens rotate one at a time; false when it has ended.
pub(super) async fn lock(connection: &mut PgConnection, claims: &Claims) -> Result<bool> {
    let query = sqlx::query_scalar::<_, bool>(
        "SELECT s.revoked_at IS NULL AND s.expires_at > now() AND u.is_active
         FROM sessions s JOIN users u ON u.id = s.user_id
         WHERE s.id = $1 AND s.user_id = $2 FOR UPDATE OF s",
    )
    .bind(claims.sid)
    .bind(claims.sub)
    .fetch_optional(connection);
    observed(QueryType::Select, "sessions.lock", query)
        .await
        .map(|live| live.unwrap_or(false))
        .map_err(|error| Error::database("lock the session", error))
}

/// The token called `id`.
pub(super) async fn token(connection: &mut PgConnection, id: TokenId) -> Result<Option<Kept>> {
    one(connection, format!("{KEPT} WHERE id = $1"), id).await
}

/// The token that took the place of `parent`.
pub(super) async fn successor(
    connection: &mut PgConnection,
    parent: TokenId,
) -> Result<Option<Kept>> {
    one(connection, format!("{KEPT} WHERE parent_id = $1"), parent).await
}

async fn one(connection: &mut PgConnection, sql: String, id: TokenId) -> Result<Option<Kept>> {
    let fail = |error| Error::database("read the refresh token", error);
    let query = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(connection);
    let row = observed(QueryType::Select, "refresh_tokens.find", query)
        .await
        .map_err(fail)?;
    row.as_ref().map(kept).transpose().map_err(fail)
}

/// Marks `used` as used and the session as living as long as its newest token. Those of its tokens whose own time is
/// long over go: nobody can present them any more. All others stay, since a second use of them tells of a theft.
pub(super) async fn advance(
    connection: &mut PgConnection,
    used: TokenId,
    next: &Claims,
    device: &Device,
) -> Result<()> {
    let query = sqlx::query(
        "WITH used AS (
             UPDATE refresh_tokens SET used_at = clock_timestamp() WHERE id = $1 RETURNING session_id),
         old AS (
             DELETE FROM refresh_tokens WHERE id IN (
                 SELECT t.id FROM refresh_tokens t JOIN used ON used.session_id = t.session_id
                 WHERE t.used_at IS NOT NULL AND t.expires_at < now() - interval '1 day' LIMIT 1000))
         UPDATE sessions SET expires_at = $2, last_seen_at = now(), user_agent = $3, address = $4
         WHERE id IN (SELECT session_id FROM used)",
    )
    .bind(used)
    .bind(seconds(next.exp)?)
    .bind(&device.agent)
    .bind(&device.address)
    .execute(connection);
    observed(QueryType::Update, "refresh_tokens.advance", query)
        .await
        .map(drop)
        .map_err(|error| Error::database("rotate the refresh token", error))
}

/// What is known of a session that stands.
pub(super) struct Live {
    /// The epoch of its user.
    pub(super) epoch: i64,
    /// Whether its last use was noted within the minute.
    pub(super) noted: bool,
}

/// The session, if it and its user both stand.
pub(super) async fn live(
    connection: &mut PgConnection,
    session: SessionId,
    user: UserId,
) -> Result<Option<Live>> {
    let query = sqlx::query_as::<_, (i64, bool)>(
        "SELECT u.auth_epoch, COALESCE(s.last_seen_at > now() - interval '1 minute', false)
         FROM sessions s JOIN users u ON u.id = s.user_id
         WHERE s.id = $1 AND u.id = $2 AND s.revoked_at IS NULL AND s.expires_at > now()
           AND u.is_active",
    )
    .bind(session)
    .bind(user)
    .fetch_optional(connection);
    observed(QueryType::Select, "sessions.live", query)
        .await
        .map(|row| row.map(|(epoch, noted)| Live { epoch, noted }))
        .map_err(|error| Error::database("check the session", error))
}

/// Notes that the session is used, unless that was noted within the minute.
pub(super) async fn touch(connection: &mut PgConnection, session: SessionId) -> Result<()> {
    let query = sqlx::query(
        "UPDATE sessions SET last_seen_at = $2
         WHERE id = $1 AND (last_seen_at IS NULL OR last_seen_at <= now() - interval '1 minute')",
    )
    .bind(session)
    .bind(DbTime::now())
    .execute(connection);
    observed(QueryType::Update, "sessions.touch", query)
        .await
        .map(drop)
        .map_err(|error| Error::database("note the use of a session", error))
}

/// Everything that the user's roles allow, in one join (R6.3).
pub(crate) async fn permissions(
    connection: &mut PgConnection,
    user: UserId,
) -> Result<PermissionSet> {
    let query = sqlx::query_scalar::<_, String>(
        "SELECT DISTINCT unnest(r.permissions) FROM user_roles ur JOIN roles r ON r.id = ur.role_id
         WHERE ur.user_id = $1",
    )
    .bind(user)
    .fetch_all(connection);
    let texts = observed(QueryType::Select, "users.permissions", query)
        .await
        .map_err(|error| Error::database("read the user's permissions", error))?;
    // Text that is no permission grants nothing.
    Ok(texts
        .into_iter()
        .filter_map(|text| text.parse::<Permission>().ok())
        .collect())
}

#[cfg(test)]
mod doubles;
#[cfg(test)]
mod plan;
