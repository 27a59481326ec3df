//! A span, a count and a duration around each query.
//!
//! Owns [`observed`] and its two halves (R6.4, R12.2). The name is the query's name, never its text or its values.

use std::future::Future;
use std::time::{Duration, Instant};

use tracing::Instrument as _;

use crate::metrics::METRICS;

/// A query that takes longer is logged.
const SLOW: Duration = Duration::from_millis(100);

/// What a query does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryType {
    /// Reads.
    Select,
    /// Adds.
    Insert,
    /// Changes.
    Update,
    /// Removes.
    Delete,
}

impl QueryType {
    /// The metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// Runs one query under its name, for one request.
pub async fn observed<T>(
    query_type: QueryType,
    name: &'static str,
    query: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    traced(query_type, name, measured(query_type, name, query)).await
}

/// The request's part of a query: a span. What it asks for may come with what others ask for.
pub(crate) async fn traced<T, E>(
    query_type: QueryType,
    name: &'static str,
    query: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let span = tracing::info_span!(
        "db.query",
        otel.kind = "client",
        otel.status_code = tracing::field::Empty,
        db.system = "postgresql",
        db.query = name,
        db.operation = query_type.as_str()
    );
    let outcome = query.instrument(span.clone()).await;
    if outcome.is_err() {
        span.record("otel.status_code", "ERROR");
    }
    outcome
}

/// The server's part: a count and a duration, once a statement.
pub(crate) async fn measured<T>(
    query_type: QueryType,
    name: &'static str,
    query: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let begun = Instant::now();
    let outcome = query.await;
    let took = begun.elapsed();
    let labels = [query_type.as_str()];
    METRICS.queries.with_label_values(&labels).inc();
    METRICS
        .query_duration
        .with_label_values(&labels)
        .observe(took.as_secs_f64());
    if took > SLOW {
        tracing::warn!(
            query = name,
            duration_seconds = took.as_secs_f64(),
            "slow query"
        );
    }
    outcome
}
