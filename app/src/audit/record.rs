//! Writes an event in the transaction of its effect.
//!
//! Owns [`record`] and [`record_alone`]. An event is there exactly when its effect is. Nothing here
//! waits for other writers: the event is put down beside a note that it is not chained yet, and the
//! sealer ([`super::seal`]) does the rest.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sqlx::PgConnection;

use super::event::{self, Event};
use crate::db::{Database, QueryType, observed};
use crate::error::{Error, Result};
use crate::metrics::METRICS;
use crate::subjects::{self, Subject};

/// Writes `event` in the transaction that `connection` is in.
///
/// # Errors
/// When the database does not take it; the effect must then not take place either.
pub async fn record(connection: &mut PgConnection, event: &Event) -> Result<()> {
    let id = event::id();
    let subject = event.subject(Timestamp::now().to_zoned(TimeZone::UTC).date());
    let sealed = match subject {
        Some(subject) => seal(connection, subject, id.as_bytes(), event).await?,
        None => None,
    };
    let query = sqlx::query(
        "WITH written AS (
             INSERT INTO audit_events (id, action, outcome, actor, target, detail, request_id, subject,
                                       sealed)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING seq, at)
         INSERT INTO audit_pending (seq, at) SELECT seq, at FROM written",
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
    .execute(connection);
    observed(QueryType::Insert, "audit_events.record", query)
        .await
        .map_err(|error| Error::database("write to the audit log", error))?;
    METRICS
        .audit_events
        .with_label_values(&[event.action.as_str()])
        .inc();
    Ok(())
}

/// Writes an event that has no effect beside it, such as a read or a refusal.
///
/// # Errors
/// When the database does not take it.
pub async fn record_alone(database: &Database, event: &Event) -> Result<()> {
    let mut tx = database.begin_in_turn().await?;
    record(&mut tx, event).await?;
    tx.commit()
        .await
        .map_err(|error| Error::database("commit to the audit log", error))
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
