//! The three routes.
//!
//! Owns their bodies. Health answers are no problems: a probe reads the status, a person the checks.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::checks::{self, Check};
use crate::shutdown::Phase;
use crate::state::AppState;

/// State of this process.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `healthy`, `degraded` or `unhealthy`.
    #[schema(example = "healthy")]
    status: &'static str,
    /// What this build calls itself.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// What was asked, and what it answered.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    checks: BTreeMap<&'static str, Check>,
}

impl Health {
    fn plain(status: &'static str) -> Self {
        Self {
            status,
            version: crate::VERSION,
            checks: BTreeMap::new(),
        }
    }
}

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(live))
        .routes(routes!(ready))
        .routes(routes!(startup))
}

/// Whether the process runs.
#[utoipa::path(get, path = "/health/live", tag = "health",
    responses((status = 200, description = "It runs", body = Health)))]
async fn live() -> Json<Health> {
    Json(Health::plain("healthy"))
}

/// Whether requests should be sent here.
#[utoipa::path(get, path = "/health/ready", tag = "health",
    responses((status = 200, description = "It serves, `degraded` while Redis is away", body = Health),
              (status = 503, description = "It does not serve; checks say why", body = Health)))]
async fn ready(State(state): State<AppState>) -> (StatusCode, Json<Health>) {
    if state.lifecycle.phase() == Phase::Draining {
        return unavailable(Health::plain("unhealthy"));
    }
    // Asked while it starts too: a start that waits for the database says so.
    let mut health = Health::plain("healthy");
    let database = checks::database(&state).await;
    let redis = checks::redis(&state);
    let serves = database.is_healthy();
    if redis.status == "unhealthy" {
        health.status = "degraded";
    }
    health.checks.insert("database", database);
    health.checks.insert("redis", redis);
    // Asked again: a shutdown may have begun while the database answered.
    if !serves || state.lifecycle.phase() != Phase::Serving {
        health.status = "unhealthy";
        return unavailable(health);
    }
    (StatusCode::OK, Json(health))
}

/// Whether the process has finished starting.
#[utoipa::path(get, path = "/health/startup", tag = "health",
    responses((status = 200, description = "It has started", body = Health),
              (status = 503, description = "It is starting", body = Health)))]
async fn startup(State(state): State<AppState>) -> (StatusCode, Json<Health>) {
    if state.lifecycle.phase() == Phase::Starting {
        return unavailable(Health::plain("unhealthy"));
    }
    (StatusCode::OK, Json(Health::plain("healthy")))
}

fn unavailable(health: Health) -> (StatusCode, Json<Health>) {
    (StatusCode::SERVICE_UNAVAILABLE, Json(health))
}
