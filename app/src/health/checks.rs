//! The dependencies, asked within a deadline.
//!
//! Owns [`Check`] and the two questions.

use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

use crate::db::{QueryType, observed};
use crate::error::Error;
use crate::metrics::METRICS;
use crate::state::AppState;

/// How long the database may take to answer: it leaves room within the second that a probe waits.
pub const DEADLINE: Duration = Duration::from_millis(800);

/// One dependency's state.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Check {
    /// `healthy`, `unhealthy` or `disabled`.
    #[schema(example = "healthy")]
    pub(super) status: &'static str,
    /// How long it took to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 0.8)]
    pub(super) latency_ms: Option<f64>,
    /// Why it is not healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "redis cannot be reached; the database answers instead")]
    pub(super) reason: Option<&'static str>,
}

impl Check {
    pub(super) fn is_healthy(&self) -> bool {
        self.status == "healthy"
    }

    fn failed(reason: &'static str) -> Self {
        Self {
            status: "unhealthy",
            latency_ms: None,
            reason: Some(reason),
        }
    }
}

pub(super) async fn database(state: &AppState) -> Check {
    let begun = Instant::now();
    let asked = async {
        // A server that has much to do is not one that is away.
        let mut connection = state.database.acquire_in_turn().await?;
        let query = sqlx::query("SELECT 1").execute(&mut *connection);
        observed(QueryType::Select, "health.ready", query)
            .await
            .map_err(|error| Error::database("ask the database", error))
    };
    let asked = tokio::time::timeout(DEADLINE, asked).await;
    let check = match asked {
        Ok(Ok(_)) => Check {
            status: "healthy",
            latency_ms: Some(begun.elapsed().as_secs_f64() * 1_000.0),
            reason: None,
        },
        Ok(Err(_)) => Check::failed("the database refuses or cannot be reached"),
        Err(_) => Check::failed("the database did not answer in time"),
    };
    METRICS
        .dependency_up
        .with_label_values(&["database"])
        .set(i64::from(check.is_healthy()));
    check
}

pub(super) fn redis(state: &AppState) -> Check {
    if !state.redis.is_configured() {
        return Check {
            status: "disabled",
            latency_ms: None,
            reason: None,
        };
    }
    if state.redis.is_up() {
        return Check {
            status: "healthy",
            latency_ms: None,
            reason: None,
        };
    }
    Check::failed("redis cannot be reached; the database answers instead")
}
