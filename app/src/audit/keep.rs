//! What keeps the audit log going.
//!
//! Owns [`prepare`] and [`keep`]: partitions ahead of time, seals each second, an end to what is older
//! than a year, a word of what was taken out before its seal, and the head of the chain in the process's
//! log: an anchor outside of the database, against which `erpgo audit verify --anchor` holds what is in it.

use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use super::event::nobody;
use super::seal::{BATCH, Head, Sealed, seal};
use super::store;
use crate::db::{Database, QueryType, observed};
use crate::error::{Error, Result};
use crate::metrics::METRICS;
use crate::shutdown::{Lifecycle, Phase};
use crate::subjects;

/// Months that have a partition before they begin.
const AHEAD: i32 = 3;
const LOOK_EVERY: Duration = Duration::from_millis(100);
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// Months whose keys of nobody are looked for when old months are dropped.
const NOBODY_MONTHS: std::ops::RangeInclusive<i32> = 13..=24;

/// Makes the partitions of this month and the next ones.
///
/// # Errors
/// When the database does not answer.
pub async fn prepare(database: &Database) -> Result<i32> {
    let mut connection = database.acquire_in_turn().await?;
    months(&mut connection).await
}

/// As [`prepare`], in the transaction that `connection` is in.
///
/// # Errors
/// As there.
pub(crate) async fn months(connection: &mut PgConnection) -> Result<i32> {
    let query = sqlx::query_scalar("SELECT audit_prepare($1)")
        .bind(AHEAD)
        .fetch_one(connection);
    observed(QueryType::Select, "audit_events.prepare", query)
        .await
        .map_err(|error| Error::database("prepare the audit log's months", error))
}

/// Drops the months that ended more than a year ago, with the keys of what belonged to nobody in them and the
/// tombstones of the persons that they named.
///
/// # Errors
/// When the database does not answer.
pub async fn retire(database: &Database) -> Result<Vec<String>> {
    let mut tx = database.begin_in_turn().await?;
    let query = sqlx::query_scalar("SELECT audit_retire()").fetch_one(&mut *tx);
    let gone: Vec<String> = observed(QueryType::Delete, "audit_events.retire", query)
        .await
        .map_err(|error| Error::database("drop the audit log's old months", error))?;
    if !gone.is_empty() {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let month = |months: i32| nobody(today.saturating_sub(months.months()));
        subjects::discard(&mut tx, NOBODY_MONTHS.map(month)).await?;
        subjects::bury(&mut tx).await?;
    }
    tx.commit()
        .await
        .map_err(|error| Error::database("drop the audit log's old months", error))?;
    Ok(gone)
}

/// Seals everything that is pending.
///
/// # Errors
/// When the database does not answer.
pub async fn seal_all(database: &Database) -> Result<Option<Head>> {
    loop {
        match seal(database).await? {
            Sealed::Elsewhere => return Ok(None),
            Sealed::Events(count, head) if i64::try_from(count).unwrap_or(0) < BATCH => {
                return Ok(Some(head));
            }
            Sealed::Events(..) => {}
        }
    }
}

/// Until then the tables may not be there.
async fn serving(lifecycle: Lifecycle) {
    while lifecycle.phase() == Phase::Starting {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Seals every so often, and looks after months, anchor and what is missing every minute, until `stop`.
pub async fn keep(
    database: Database,
    lifecycle: Lifecycle,
    every: Duration,
    stop: CancellationToken,
) {
    if stop.run_until_cancelled(serving(lifecycle)).await.is_none() {
        return;
    }
    let mut anchored = 0;
    let mut tidied: Option<Instant> = None;
    loop {
        // First of all: the months were prepared before the first request.
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        let due = tidied.is_none_or(|at| at.elapsed() >= TIDY_EVERY);
        if due {
            tidy(&database).await;
            tidied = Some(Instant::now());
        }
        match turn(&database).await {
            Ok(Some(head)) if due && head.position > anchored => {
                anchored = head.position;
                tracing::info!(anchor = %head, "head of the audit chain");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(error = %erpgo_telemetry::chain(&error), "the audit log is not sealed; the next try follows");
            }
        }
        if due {
            miss(&database).await;
        }
    }
}

async fn turn(database: &Database) -> Result<Option<Head>> {
    let pending = {
        let mut connection = database.acquire_in_turn().await?;
        store::count_pending(&mut connection).await?
    };
    METRICS.audit_pending.set(pending);
    let head = seal_all(database).await?;
    if let Some(head) = head {
        METRICS.audit_position.set(head.position);
    }
    Ok(head)
}

async fn tidy(database: &Database) {
    let outcome = async {
        let made = prepare(database).await?;
        let gone = retire(database).await?;
        Ok::<_, Error>((made, gone))
    };
    match outcome.await {
        Ok((0, gone)) if gone.is_empty() => {}
        Ok((made, gone)) => tracing::info!(made, ?gone, "months of the audit log"),
        Err(error) => {
            tracing::warn!(error = %erpgo_telemetry::chain(&error), "the audit log's months stay as they are; the next try follows");
        }
    }
}

/// Tells of what was taken out before it was sealed: nothing else in here waits for it, or would show it.
async fn miss(database: &Database) {
    let looked = async {
        let mut connection = database.acquire_in_turn().await?;
        store::vanished(&mut connection).await
    };
    match looked.await {
        Ok(None) => {}
        Ok(Some(store::Vanished { first, count })) => {
            tracing::error!(
                first,
                count,
                "events of the audit log were taken out before they were sealed"
            );
        }
        Err(error) => {
            tracing::warn!(error = %erpgo_telemetry::chain(&error), "nobody knows whether events of the audit log are missing; the next look follows");
        }
    }
}
