//! SQL of kept answers.
//!
//! Owns the table `idempotency_keys`. What is kept there sealed it never sees open, and it must not decide what
//! a repeat gets.

use std::time::Duration;

use http::StatusCode;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use super::{Once, Reply};
use crate::db::{DbTime, QueryType, observed};
use crate::error::{Error, Result};
use crate::users::UserId;

/// How long an answer is kept.
const KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes so many (`$1`) of the expired answers (`auth/sweep.rs`).
pub const EXPIRED: &str = "DELETE FROM idempotency_keys WHERE (caller, operation, key) IN (
         SELECT caller, operation, key FROM idempotency_keys WHERE expires_at <= now()
         ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)";

/// An answer to be kept, but for what its [`Reply`] shows of itself.
pub(super) struct Row<'a> {
    pub(super) fingerprint: &'a [u8],
    pub(super) body: &'a str,
    pub(super) sealed: Option<Vec<u8>>,
    pub(super) sealed_by: Option<&'a str>,
}

/// An answer that was kept.
pub(super) struct Kept {
    pub(super) fingerprint: Vec<u8>,
    /// Without its body, where that is sealed.
    pub(super) reply: Reply,
    /// The kid of what the body is sealed under, and the body.
    pub(super) sealed: Option<(String, Vec<u8>)>,
    /// Whether it was kept within the last minute.
    pub(super) young: bool,
    /// Whether whom it tells of is gone. A version that does not know of kept answers leaves theirs as they are.
    pub(super) gone: bool,
}

/// What was kept for the key.
pub(super) async fn find(connection: &mut PgConnection, once: &Once) -> Result<Option<Kept>> {
    let fail = |error| Error::database("look an idempotency key up", error);
    let query = sqlx::query(
        "SELECT fingerprint, status, location, etag, body, sealed, sealed_by,
                created_at > $4 - interval '1 minute' AS young,
                EXISTS (SELECT 1 FROM subject_keys k WHERE k.subject = idempotency_keys.subject
                        AND k.destroyed_at IS NOT NULL) AS gone
         FROM idempotency_keys
         WHERE caller = $1 AND operation = $2 AND key = $3 AND expires_at > $4",
    )
    .bind(once.caller)
    .bind(once.operation)
    .bind(once.key.as_str())
    .bind(DbTime::now())
    .fetch_optional(connection);
    let row = observed(QueryType::Select, "idempotency_keys.find", query)
        .await
        .map_err(fail)?;
    row.as_ref().map(kept).transpose().map_err(fail)
}

fn kept(row: &PgRow) -> Result<Kept, sqlx::Error> {
    let status: i16 = row.try_get("status")?;
    let status = u16::try_from(status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok())
        .ok_or_else(|| sqlx::Error::Decode("not an HTTP status".into()))?;
    let kid: Option<String> = row.try_get("sealed_by")?;
    Ok(Kept {
        fingerprint: row.try_get("fingerprint")?,
        reply: Reply {
            status,
            location: row.try_get("location")?,
            etag: row.try_get("etag")?,
            body: row.try_get("body")?,
            replayed: false,
        },
        sealed: kid.zip(row.try_get("sealed")?),
        young: row.try_get("young")?,
        gone: row.try_get("gone")?,
    })
}

/// Keeps `reply` as `row` for the key.
pub(super) async fn put(
    connection: &mut PgConnection,
    once: &Once,
    reply: &Reply,
    row: &Row<'_>,
) -> Result<()> {
    let fail = |error| Error::database("store an answer", error);
    let now = DbTime::now();
    let expires_at = now.0.checked_add(KEEP).map(DbTime).unwrap_or(now);
    let query = sqlx::query(
        "INSERT INTO idempotency_keys (caller, operation, key, fingerprint, status, location, etag,
                                       body, sealed, sealed_by, subject, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (caller, operation, key) DO UPDATE SET
             fingerprint = excluded.fingerprint, status = excluded.status,
             location = excluded.location, etag = excluded.etag, body = excluded.body,
             sealed = excluded.sealed, sealed_by = excluded.sealed_by, subject = excluded.subject,
             created_at = excluded.created_at, expires_at = excluded.expires_at
         WHERE idempotency_keys.expires_at <= excluded.created_at",
    )
    .bind(once.caller)
    .bind(once.operation)
    .bind(once.key.as_str())
    .bind(row.fingerprint)
    .bind(i16::try_from(reply.status.as_u16()).unwrap_or(500))
    .bind(&reply.location)
    .bind(&reply.etag)
    .bind(row.body)
    .bind(row.sealed.as_deref())
    .bind(row.sealed_by)
    .bind(once.about)
    .bind(now)
    .bind(expires_at)
    .execute(connection);
    observed(QueryType::Insert, "idempotency_keys.insert", query)
        .await
        .map(drop)
        .map_err(fail)
}

/// Takes out of kept answers of others what tells of `person`. The keys stay used: who repeats a request that
/// made a person who is gone does not make them again.
///
/// # Errors
/// When the database does not answer.
pub async fn forget_about(connection: &mut PgConnection, person: UserId) -> Result<()> {
    let query = sqlx::query(
        "UPDATE idempotency_keys SET fingerprint = decode(repeat('00', 32), 'hex'), location = NULL,
                etag = NULL, body = '', sealed = '', sealed_by = '', subject = NULL
         WHERE subject = $1",
    )
    .bind(person)
    .execute(connection);
    observed(QueryType::Update, "idempotency_keys.forget", query)
        .await
        .map(drop)
        .map_err(|error| Error::database("forget answers about a person", error))
}
