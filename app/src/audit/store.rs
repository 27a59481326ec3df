//! SQL of events.
//!
//! Owns the reads of `audit_events` and the taking of `audit_pending`. There is no statement here that
//! changes an event, and PostgreSQL would refuse it.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row as _};

use super::chain::{Hash, Stored};
use super::query::Filter;
use crate::db::{DbTime, QueryType, observed};
use crate::error::{Error, Result};

const COLUMNS: &str =
    "seq, at, id, action, outcome, actor, target, detail, request_id, subject, sealed";

pub(super) fn stored(row: &PgRow) -> Result<Stored, sqlx::Error> {
    Ok(Stored {
        seq: row.try_get("seq")?,
        at: row.try_get::<DbTime, _>("at")?.0,
        id: row.try_get("id")?,
        action: row.try_get("action")?,
        outcome: row.try_get("outcome")?,
        actor: row.try_get("actor")?,
        target: row.try_get("target")?,
        detail: row.try_get("detail")?,
        request_id: row.try_get("request_id")?,
        subject: row.try_get("subject")?,
        sealed: row.try_get("sealed")?,
    })
}

pub(super) fn hash(row: &PgRow, column: &str) -> Result<Hash, sqlx::Error> {
    let bytes: Vec<u8> = row.try_get(column)?;
    Hash::try_from(bytes).map_err(|_| sqlx::Error::Decode("not 32 bytes".into()))
}

/// Takes up to `limit` events that are not chained yet, oldest first.
pub(super) async fn take_pending(connection: &mut PgConnection, limit: i64) -> Result<Vec<Stored>> {
    let fail = |error| Error::database("take events to be chained", error);
    let query = sqlx::query(
        // A note without its event stays: it is what shows that an event was taken out.
        "DELETE FROM audit_pending p USING audit_events e
         WHERE p.seq IN (SELECT seq FROM audit_pending ORDER BY seq LIMIT $1)
           AND e.seq = p.seq AND e.at = p.at
         RETURNING e.seq, e.at, e.id, e.action, e.outcome, e.actor, e.target, e.detail,
                   e.request_id, e.subject, e.sealed",
    )
    .bind(limit)
    .fetch_all(connection);
    let rows = observed(QueryType::Delete, "audit_pending.take", query)
        .await
        .map_err(fail)?;
    let mut events: Vec<_> = rows
        .iter()
        .map(stored)
        .collect::<Result<_, _>>()
        .map_err(fail)?;
    events.sort_unstable_by_key(|event| event.seq);
    Ok(events)
}

/// How many events are not chained yet, up to a thousand.
pub(super) async fn count_pending(connection: &mut PgConnection) -> Result<i64> {
    let query = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT 1 FROM audit_pending LIMIT 1000) AS pending",
    )
    .fetch_one(connection);
    observed(QueryType::Select, "audit_pending.count", query)
        .await
        .map_err(|error| Error::database("count events to be chained", error))
}

/// Up to `limit` events that match, newest first, before `before` in order of writing.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn list(
    connection: &mut PgConnection,
    filter: &Filter,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Stored>> {
    let fail = |error| Error::database("search the audit log", error);
    let mut statement = statement("", filter, before, limit);
    let query = statement.build().fetch_all(connection);
    let rows = observed(QueryType::Select, "audit_events.list", query)
        .await
        .map_err(fail)?;
    rows.iter()
        .map(stored)
        .collect::<Result<_, _>>()
        .map_err(fail)
}

fn statement(
    prefix: &'static str,
    filter: &Filter,
    before: Option<i64>,
    limit: i64,
) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new(prefix);
    sql.push("SELECT ")
        .push(COLUMNS)
        .push(" FROM audit_events WHERE true");
    if let Some(action) = filter.action {
        sql.push(" AND action = ").push_bind(action.as_str());
    }
    if let Some(actor) = filter.actor {
        sql.push(" AND actor = ").push_bind(actor);
    }
    if let Some(target) = &filter.target {
        sql.push(" AND target = ").push_bind(target.clone());
    }
    if let Some(person) = filter.about {
        sql.push(" AND (actor = ").push_bind(person);
        sql.push(" OR target = ")
            .push_bind(format!("user:{person}"));
        sql.push(")");
    }
    if let Some(from) = filter.from {
        sql.push(" AND at >= ").push_bind(DbTime::truncated(from));
    }
    if let Some(to) = filter.to {
        sql.push(" AND at < ").push_bind(DbTime::truncated(to));
    }
    if let Some(before) = before {
        sql.push(" AND seq < ").push_bind(before);
    }
    sql.push(" ORDER BY seq DESC LIMIT ").push_bind(limit);
    sql
}

#[cfg(test)]
mod plan;
