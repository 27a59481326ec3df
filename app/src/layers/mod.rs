//! What surrounds every route.
//!
//! ```text
//! observe (id, span, metrics, problem body) ─▶ headers ─▶ CORS ─▶ timeout ─▶ panic ─▶ gate
//! ─▶ rate ─▶ route
//! ```
//!
//! Owns the order. Nothing here knows a noun.

mod headers;
mod limits;
mod observe;
pub mod parameters;
mod rate;
mod request_id;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::state::AppState;

pub(crate) use rate::Scope;
pub(crate) use request_id::RequestId;

/// Puts the layers around `router`.
pub fn apply(router: Router<AppState>, state: &AppState) -> Router<AppState> {
    let http = &state.settings.http;
    router
        .layer(DefaultBodyLimit::max(http.body_limit))
        .layer(from_fn_with_state(state.clone(), rate::limit))
        .layer(from_fn_with_state(state.clone(), limits::gate))
        .layer(CatchPanicLayer::custom(limits::panicked))
        .layer(from_fn_with_state(http.request_timeout, limits::timeout))
        .layer(cors(state))
        .layer(from_fn_with_state(
            Arc::new(headers::security(http.hsts)),
            headers::add,
        ))
        .layer(from_fn_with_state(
            state.lifecycle.clone(),
            observe::observe,
        ))
        .layer(from_fn(request_id::assign))
}

fn cors(state: &AppState) -> CorsLayer {
    use http::{Method, header};
    let headers = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        header::IF_MATCH,
        header::HeaderName::from_static("idempotency-key"),
        header::HeaderName::from_static("x-request-id"),
    ];
    let exposed = [
        header::ETAG,
        header::LOCATION,
        header::RETRY_AFTER,
        rate::POLICY,
        rate::STANDING,
        header::HeaderName::from_static("x-request-id"),
    ];
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(
            state.settings.cors.allowed_origins.clone(),
        ))
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers(headers)
        .expose_headers(exposed)
        .max_age(std::time::Duration::from_secs(600))
}
