//! SQL of the outbox.
//!
//! Owns the table `outbox`. A row is claimed for a while (a lease), so that a process that dies gives it
//! back; what was sent is deleted. Bounded (I-12): when it is full, new mails are dropped and counted.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::{Message, To};
use crate::db::{DbTime, QueryType, observed};
use crate::error::{Error, Result};
use crate::metrics::METRICS;
use crate::users::UserId;

/// Mails that may wait at once.
pub(super) const CAPACITY: i64 = 10_000;

/// Writes a mail down. The caller commits: the mail goes out if its cause stands. One of its kind that waits for
/// the address gives way to it, whosever the address was; where that one is just being sent, this one stays.
pub(crate) async fn enqueue(
    connection: &mut PgConnection,
    to: To<'_>,
    message: &Message,
) -> Result<()> {
    let (user, address) = match to {
        To::User(user, address) => (Some(user), address),
        To::Whoever(address) => (None, address),
    };
    let facts = serde_json::to_value(message)
        .map_err(|error| Error::internal("write a mail down", error))?;
    let now = DbTime::now();
    let end = now.0.checked_add(message.life()).unwrap_or(Timestamp::MAX);
    let query = sqlx::query(
        "INSERT INTO outbox (id, kind, user_id, address, facts, created_at, expires_at,
                             next_attempt_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, $6
         WHERE (SELECT count(*) FROM (SELECT 1 FROM outbox WHERE failed_at IS NULL LIMIT $8) w) < $8
         ON CONFLICT (kind, lower(address)) WHERE failed_at IS NULL DO UPDATE SET
             id = excluded.id, user_id = excluded.user_id, address = excluded.address,
             facts = excluded.facts, created_at = excluded.created_at,
             expires_at = excluded.expires_at, attempts = 0, leased_until = NULL",
    )
    .bind(Uuid::now_v7())
    .bind(message.kind())
    .bind(user)
    .bind(address)
    .bind(facts)
    .bind(now)
    .bind(DbTime::truncated(end))
    .bind(CAPACITY)
    .execute(connection);
    let written = observed(QueryType::Insert, "outbox.enqueue", query)
        .await
        .map_err(|error| Error::database("write a mail down", error))?;
    if written.rows_affected() == 0 {
        METRICS
            .mails
            .with_label_values(&[message.kind(), "dropped"])
            .inc();
        tracing::error!(
            kind = message.kind(),
            "the outbox is full; a mail is dropped"
        );
    }
    Ok(())
}

/// A mail in hand.
#[derive(Clone, Debug)]
pub(super) struct Claimed {
    pub(super) id: Uuid,
    pub(super) user: Option<UserId>,
    pub(super) address: String,
    pub(super) message: Message,
    /// This try included.
    pub(super) attempts: i16,
    pub(super) created_at: Timestamp,
    lease: DbTime,
}

fn claimed(row: &PgRow) -> Result<Claimed, sqlx::Error> {
    let facts: serde_json::Value = row.try_get("facts")?;
    Ok(Claimed {
        id: row.try_get("id")?,
        user: row.try_get("user_id")?,
        address: row.try_get("address")?,
        message: serde_json::from_value(facts)
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        attempts: row.try_get("attempts")?,
        created_at: row.try_get::<DbTime, _>("created_at")?.0,
        lease: row.try_get("leased_until")?,
    })
}

/// Takes the next mail in hand for `lease`. Nobody else gets it meanwhile. One of a kind that only a newer
/// version knows is left as it is, for a pod of that one.
pub(super) async fn claim(
    connection: &mut PgConnection,
    lease: Duration,
) -> Result<Option<Claimed>> {
    let fail = |error| Error::database("take a mail in hand", error);
    let query = sqlx::query(
        "UPDATE outbox SET attempts = attempts + 1,
                leased_until = now() + make_interval(secs => $1)
         WHERE id = (
             SELECT id FROM outbox
             WHERE failed_at IS NULL AND next_attempt_at <= now() AND expires_at > now()
               AND (leased_until IS NULL OR leased_until < now()) AND kind = ANY($2)
             ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING id, user_id, address, facts, attempts, created_at, leased_until",
    )
    .bind(lease.as_secs_f64())
    .bind(Message::KINDS)
    .fetch_optional(connection);
    let row = observed(QueryType::Update, "outbox.claim", query)
        .await
        .map_err(fail)?;
    row.as_ref().map(claimed).transpose().map_err(fail)
}

/// Deletes a mail that was sent, or that there is nobody for. Nothing when the lease ran out and
/// somebody else has it.
pub(super) async fn done(connection: &mut PgConnection, mail: &Claimed) -> Result<()> {
    let query = sqlx::query("DELETE FROM outbox WHERE id = $1 AND leased_until = $2")
        .bind(mail.id)
        .bind(mail.lease)
        .execute(connection);
    observed(QueryType::Delete, "outbox.done", query)
        .await
        .map(drop)
        .map_err(|error| Error::database("cross a mail off", error))
}

/// Gives a mail back, to be tried again in `wait`; `counted` is whether this try was one of three.
pub(super) async fn again(
    connection: &mut PgConnection,
    mail: &Claimed,
    wait: Duration,
    counted: bool,
) -> Result<()> {
    let query = sqlx::query(
        "UPDATE outbox SET leased_until = NULL, attempts = attempts - $4,
                next_attempt_at = now() + make_interval(secs => $3)
         WHERE id = $1 AND leased_until = $2",
    )
    .bind(mail.id)
    .bind(mail.lease)
    .bind(wait.as_secs_f64())
    .bind(i16::from(!counted))
    .execute(connection);
    observed(QueryType::Update, "outbox.again", query)
        .await
        .map(drop)
        .map_err(|error| Error::database("give a mail back", error))
}

/// Gives a mail up; the row stays for people to see until it expires.
pub(super) async fn give_up(connection: &mut PgConnection, mail: &Claimed) -> Result<()> {
    let query = sqlx::query(
        "UPDATE outbox SET leased_until = NULL, failed_at = now()
         WHERE id = $1 AND leased_until = $2",
    )
    .bind(mail.id)
    .bind(mail.lease)
    .execute(connection);
    observed(QueryType::Update, "outbox.give_up", query)
        .await
        .map(drop)
        .map_err(|error| Error::database("give a mail up", error))
}

/// Deletes what has expired, a bounded part at a time.
pub(super) async fn sweep(connection: &mut PgConnection) -> Result<()> {
    let fail = |error| Error::database("sweep the outbox", error);
    for (name, sql) in [
        (
            "outbox.sweep",
            "DELETE FROM outbox WHERE id IN (
                 SELECT id FROM outbox WHERE expires_at <= now() LIMIT 1000 FOR UPDATE SKIP LOCKED)",
        ),
        (
            "email_tokens.sweep",
            "DELETE FROM email_tokens WHERE id IN (
                 SELECT id FROM email_tokens WHERE expires_at <= now() LIMIT 1000
                 FOR UPDATE SKIP LOCKED)",
        ),
    ] {
        let query = sqlx::query(sql).execute(&mut *connection);
        observed(QueryType::Delete, name, query)
            .await
            .map_err(fail)?;
    }
    Ok(())
}

/// How many mails wait.
pub(super) async fn waiting(connection: &mut PgConnection) -> Result<i64> {
    let query = sqlx::query_scalar("SELECT count(*) FROM outbox WHERE failed_at IS NULL")
        .fetch_one(connection);
    observed(QueryType::Select, "outbox.waiting", query)
        .await
        .map_err(|error| Error::database("count mails", error))
}
