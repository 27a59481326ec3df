//! At most one effect for an Idempotency-Key.
//!
//! Owns [`once()`] and the table `idempotency_keys`. The answer is stored in the transaction of the
//! effect: either both are there or neither, whatever happens in between. A refusal had no effect and
//! is not stored, so that the same key may be used once its cause is gone.

use http::StatusCode;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use std::time::Duration;

use super::{Reply, Work, transaction};
use crate::db::{Database, DbTime, QueryType, observed};
use crate::error::{Code, Error, Result};
use crate::extract::idempotency::IdempotencyKey;
use crate::users::UserId;

/// How long an answer is kept.
const KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// Expired answers that each new one takes with it: the table cannot grow on old ones.
const SWEEP: i64 = 10;

/// Names one intended effect.
#[derive(Clone, Debug)]
pub struct Once {
    /// Whose key it is.
    pub caller: UserId,
    /// What it is used for.
    pub operation: &'static str,
    /// The key.
    pub key: IdempotencyKey,
    /// SHA-256 of what was asked for.
    pub fingerprint: [u8; 32],
}

impl Once {
    /// `request` is what is asked for: the same key with another one is refused.
    ///
    /// # Errors
    /// When `request` cannot be written as JSON.
    pub fn new(
        caller: UserId,
        operation: &'static str,
        key: IdempotencyKey,
        request: &impl Serialize,
    ) -> Result<Self> {
        let text = serde_json::to_vec(request)
            .map_err(|error| Error::internal("write a request as JSON", error))?;
        Ok(Self {
            caller,
            operation,
            key,
            fingerprint: Sha256::digest(text).into(),
        })
    }

    /// The lock that the key's holder takes; colliding keys only wait for another try.
    fn lock(&self) -> i64 {
        let digest = Sha256::new()
            .chain_update(self.caller.0.as_bytes())
            .chain_update(self.operation)
            .chain_update([0])
            .chain_update(self.key.as_str())
            .finalize();
        digest
            .iter()
            .take(8)
            .fold(0, |lock, byte| lock << 8 | i64::from(*byte))
    }
}

/// Runs `work` in a transaction, or gives the answer that it gave before for the same key.
///
/// # Errors
/// IDEMPOTENCY_IN_FLIGHT while another request holds the key, IDEMPOTENCY_KEY_REUSED when it asked
/// for something else, and what `work` ends with.
pub async fn once(
    database: &Database,
    name: &'static str,
    once: Option<&Once>,
    work: impl Work<Reply>,
) -> Result<Reply> {
    transaction(database, name, Guarded { once, work }).await
}

struct Guarded<'a, W> {
    once: Option<&'a Once>,
    work: W,
}

impl<W: Work<Reply>> Work<Reply> for Guarded<'_, W> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<Reply> {
        let Some(once) = self.once else {
            return self.work.run(connection).await;
        };
        if !try_lock(connection, once).await? {
            return Err(in_flight());
        }
        if let Some(earlier) = find(connection, once).await? {
            return earlier;
        }
        let reply = self.work.run(connection).await?;
        insert(connection, once, &reply).await?;
        Ok(reply)
    }
}

fn in_flight() -> Error {
    Error::refused(
        Code::IdempotencyInFlight,
        "a request with this Idempotency-Key is being worked on; try again for its answer",
    )
    .retry_after(Duration::from_secs(1))
}

async fn try_lock(connection: &mut PgConnection, once: &Once) -> Result<bool> {
    let query = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
        .bind(once.lock())
        .fetch_one(connection);
    observed(QueryType::Select, "idempotency_keys.lock", query)
        .await
        .map_err(|error| Error::database("lock an idempotency key", error))
}

/// The answer to an earlier request with this key, or the refusal to mix two requests up.
async fn find(connection: &mut PgConnection, once: &Once) -> Result<Option<Result<Reply>>> {
    let fail = |error| Error::database("look an idempotency key up", error);
    let query = sqlx::query(
        "SELECT fingerprint, status, location, etag, body FROM idempotency_keys
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
    let Some(row) = row else { return Ok(None) };
    let fingerprint: Vec<u8> = row.try_get("fingerprint").map_err(fail)?;
    if fingerprint != once.fingerprint {
        return Ok(Some(Err(Error::refused(
            Code::IdempotencyKeyReused,
            "this Idempotency-Key was used with another body; use a new key for a new request",
        ))));
    }
    stored(&row).map(|reply| Some(Ok(reply))).map_err(fail)
}

fn stored(row: &PgRow) -> Result<Reply, sqlx::Error> {
    let status: i16 = row.try_get("status")?;
    let status = u16::try_from(status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok())
        .ok_or_else(|| sqlx::Error::Decode("not an HTTP status".into()))?;
    Ok(Reply {
        status,
        location: row.try_get("location")?,
        etag: row.try_get("etag")?,
        body: row.try_get("body")?,
        replayed: true,
    })
}

async fn insert(connection: &mut PgConnection, once: &Once, reply: &Reply) -> Result<()> {
    let fail = |error| Error::database("store an answer", error);
    let now = DbTime::now();
    let expires_at = now.0.checked_add(KEEP).map(DbTime).unwrap_or(now);
    let sweep = sqlx::query(
        "DELETE FROM idempotency_keys WHERE (caller, operation, key) IN (
             SELECT caller, operation, key FROM idempotency_keys WHERE expires_at <= $1
             ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
    )
    .bind(now)
    .bind(SWEEP)
    .execute(&mut *connection);
    observed(QueryType::Delete, "idempotency_keys.sweep", sweep)
        .await
        .map_err(fail)?;
    let query = sqlx::query(
        "INSERT INTO idempotency_keys (caller, operation, key, fingerprint, status, location, etag,
                                       body, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (caller, operation, key) DO UPDATE SET
             fingerprint = excluded.fingerprint, status = excluded.status,
             location = excluded.location, etag = excluded.etag, body = excluded.body,
             created_at = excluded.created_at, expires_at = excluded.expires_at
         WHERE idempotency_keys.expires_at <= excluded.created_at",
    )
    .bind(once.caller)
    .bind(once.operation)
    .bind(once.key.as_str())
    .bind(&once.fingerprint[..])
    .bind(i16::try_from(reply.status.as_u16()).unwrap_or(500))
    .bind(&reply.location)
    .bind(&reply.etag)
    .bind(&reply.body)
    .bind(now)
    .bind(expires_at)
    .execute(connection);
    observed(QueryType::Insert, "idempotency_keys.insert", query)
        .await
        .map(drop)
        .map_err(fail)
}
