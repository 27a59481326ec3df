//! What surrounds every route.
//!
//! ```text
//! around (id, span, metrics, problem body, headers) ─▶ CORS ─▶ guard (timeout, panic, gate, rate,
//! parameters) ─▶ route
//! ```
//!
//! Owns the order. Nothing here knows a noun.

mod around;
mod guard;
mod headers;
mod limits;
mod observe;
pub mod parameters;
mod rate;
mod request_id;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use tower::layer::layer_fn;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::extract::idempotency;
use crate::state::AppState;
use crate::tx;
use around::Around;
use guard::{Guard, Rules};
use parameters::Closed;

pub(crate) use rate::Scope;
pub(crate) use request_id::RequestId;

/// Puts the layers around `router`, whose operations without parameters are `closed`. They are put as one: each
/// `.layer` would be a box that is copied with every request, and with it all that it holds.
pub fn apply(router: Router<AppState>, closed: Closed, state: &AppState) -> Router<AppState> {
    let http = &state.settings.http;
    let (lifecycle, fixed) = (
        state.lifecycle.clone(),
        Arc::new(headers::security(http.hsts)),
    );
    let rules = Arc::new(Rules {
        state: state.clone(),
        closed,
    });
    router.layer((
        layer_fn(move |inner| Around::new(lifecycle.clone(), Arc::clone(&fixed), inner)),
        cors(state),
        layer_fn(move |inner| Guard::new(Arc::clone(&rules), inner)),
        DefaultBodyLimit::max(http.body_limit),
    ))
}

/// What pages of the named origins may ask, send and read: all that the document and the guide name.
fn cors(state: &AppState) -> CorsLayer {
    use http::{HeaderName, Method, header};
    let headers = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        HeaderName::from_static(idempotency::HEADER),
        request_id::HEADER,
    ];
    let exposed = [
        header::ALLOW,
        header::CONTENT_DISPOSITION,
        header::ETAG,
        header::LOCATION,
        header::RETRY_AFTER,
        header::WWW_AUTHENTICATE,
        rate::POLICY,
        rate::STANDING,
        tx::REPLAYED,
        request_id::HEADER,
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
        .max_age(Duration::from_secs(600))
}
