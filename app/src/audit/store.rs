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
///
/// A note without its event stays: it is what shows that an event was taken out. It is passed over, or so many of
/// them would be all that is ever looked at. Each note asks for its event by itself: a join could be made by
/// reading all events in order.
pub(super) async fn take_pending(connection: &mut PgConnection, limit: i64) -> Result<Vec<Stored>> {
    let fail = |error| Error::database("take events to be chained", error);
    let query = sqlx::query(
        "DELETE FROM audit_pending p USING audit_events e
         WHERE p.seq IN (
             SELECT note.seq FROM audit_pending note
             WHERE (SELECT true FROM audit_events there WHERE there.seq = note.seq AND there.at = note.at)
             ORDER BY note.seq LIMIT $1)
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

/// Events that were taken out before they were chained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vanished {
    /// The number of the first of them.
    pub(super) first: i64,
    /// How many there are, up to a thousand.
    pub(super) count: i64,
}

/// Those of whom only the note is left, if there are any.
pub(super) async fn vanished(connection: &mut PgConnection) -> Result<Option<Vanished>> {
    let fail = |error| Error::database("look for events that were taken out", error);
    let query = sqlx::query(
        "SELECT min(seq) AS first, count(*) AS count FROM (
             SELECT note.seq FROM audit_pending note
             WHERE (SELECT true FROM audit_events there
                    WHERE there.seq = note.seq AND there.at = note.at) IS NULL
             ORDER BY note.seq LIMIT 1000) AS vanished",
    )
    .fetch_one(connection);
    let row = observed(QueryType::Select, "audit_pending.vanished", query)
        .await
        .map_err(fail)?;
    let first: Option<i64> = row.try_get("first").map_err(fail)?;
    let count = row.try_get("count").map_err(fail)?;
    Ok(first.map(|first| Vanished { first, count }))
}

/// How many events are not chained yet, up to a thousand; those that were taken out stay among them.
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
