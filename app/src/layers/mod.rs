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
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use http::HeaderMap;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::extract::idempotency;
use crate::shutdown::Lifecycle;
use crate::state::AppState;
use crate::tx;

pub(crate) use rate::Scope;
pub(crate) use request_id::RequestId;

/// Parameters of a layer that has a state. They are named, so that no arity is left to guess at any depth.
type Stated<S> = (State<S>, Request);

/// Puts the layers around `router`, as one: each `.layer` would be a box that is copied with every request,
/// and with it all that it holds.
pub fn apply(router: Router<AppState>, state: &AppState) -> Router<AppState> {
    let http = &state.settings.http;
    let fixed = Arc::new(headers::security(http.hsts));
    router.layer((
        from_fn::<_, (Request,)>(request_id::assign),
        from_fn_with_state::<_, _, Stated<Lifecycle>>(state.lifecycle.clone(), observe::observe),
        from_fn_with_state::<_, _, Stated<Arc<HeaderMap>>>(fixed, headers::add),
        cors(state),
        from_fn_with_state::<_, _, Stated<Duration>>(http.request_timeout, limits::timeout),
        CatchPanicLayer::custom(limits::panicked),
        from_fn_with_state::<_, _, Stated<AppState>>(state.clone(), limits::gate),
        from_fn_with_state::<_, _, Stated<AppState>>(state.clone(), rate::limit),
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
