//! Writes an event in the transaction of its effect.
//!
//! Owns [`record`], [`record_alone`], their twins that say when it was, and [`record_together`]. An event is there
//! exactly when its effect is. Nothing here waits for other writers: the event is put down beside a note that it is
//! not chained yet, and the sealer ([`super::seal`]) does the rest.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sqlx::PgConnection;

use super::event::{self, Event};
use crate::db::{Database, DbTime, QueryType, observed};
use crate::error::{Error, Result};
use crate::metrics::METRICS;
use crate::subjects::{self, Subject};

/// Writes `event` in the transaction that `connection` is in.
///
/// # Errors
/// When the database does not take it; the effect must then not take place either.
pub async fn record(connection: &mut PgConnection, event: &Event) -> Result<()> {
    noted(connection, event).await?;
    Ok(())
}

/// As [`record`]; the first moment after the event, by the clock that it bears: the database's, and not that of
/// this process. What is read up to it has the event.
///
/// # Errors
/// As there.
pub(crate) async fn noted(connection: &mut PgConnection, event: &Event) -> Result<Timestamp> {
    let id = event::id();
    let subject = event.subject(Timestamp::now().to_zoned(TimeZone::UTC).date());
    let sealed = match subject {
        Some(subject) => seal(connection, subject, id.as_bytes(), event).await?,
        None => None,
    };
    let query = sqlx::query_scalar::<_, DbTime>(
        "WITH written AS (
             INSERT INTO audit_events (id, action, outcome, actor, target, detail, request_id, subject,
                                       sealed)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING seq, at)
         INSERT INTO audit_pending (seq, at) SELECT seq, at FROM written
         RETURNING at + interval '1 microsecond'",
    )
    .bind(id)
    .bind(event.action.as_str())
    .bind(event.outcome.as_str())
    .bind(event.actor)
    .bind(&event.target)
    .bind(event.detail.to_string())
    .bind(&event.request_id)
    .bind(subject.filter(|_| sealed.is_some()).map(|subject| subject.0))
    .bind(sealed)
    .fetch_one(connection);
    let after = observed(QueryType::Insert, "audit_events.record", query)
        .await
        .map_err(|error| Error::database("write to the audit log", error))?;
    METRICS
        .audit_events
        .with_label_values(&[event.action.as_str()])
        .inc();
    Ok(after.0)
}

/// Writes an event that has no effect beside it, such as a read or a refusal.
///
/// # Errors
/// When the database does not take it.
pub async fn record_alone(database: &Database, event: &Event) -> Result<()> {
    noted_alone(database, event).await?;
    Ok(())
}

/// As [`record_alone`], for several: all of them are written, or none.
///
/// # Errors
/// As there.
pub(crate) async fn record_together(database: &Database, events: &[Event]) -> Result<()> {
    let mut tx = database.begin_in_turn().await?;
    for event in events {
        noted(&mut tx, event).await?;
    }
    tx.commit()
        .await
        .map_err(|error| Error::database("commit to the audit log", error))
}

/// As [`record_alone`]; the moment is that of [`noted`].
///
/// # Errors
/// When the database does not take it.
pub(super) async fn noted_alone(database: &Database, event: &Event) -> Result<Timestamp> {
    let mut tx = database.begin_in_turn().await?;
    let after = noted(&mut tx, event).await?;
    tx.commit()
        .await
        .map_err(|error| Error::database("commit to the audit log", error))?;
    Ok(after)
}

/// What tells of a person, sealed; nothing when they were erased meanwhile: it is then not kept at all.
async fn seal(
    connection: &mut PgConnection,
    subject: Subject,
    context: &[u8],
    event: &Event,
) -> Result<Option<Vec<u8>>> {
    let plain = serde_json::to_vec(&event.personal)
        .map_err(|error| Error::internal("write personal data as JSON", error))?;
    let key = subjects::key(connection, subject).await?;
    key.map(|key| key.seal(context, &plain))
        .transpose()
        .map_err(|error| Error::internal("seal personal data", error))
}
