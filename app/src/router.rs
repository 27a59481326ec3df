//! Every route of the program, in one list.
//!
//! Owns [`router`] and [`document`], which come from the same list and cannot drift apart.

use axum::Router;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::layers::parameters;
use crate::state::AppState;
use crate::{
    api_keys, audit, auth, email, health, layers, openapi, passwords, privacy, products, roles,
    second_factor, sessions, users,
};

/// The API and its layers.
pub fn router(state: AppState) -> Router {
    let (routes, document) = routes().split_for_parts();
    let closed = parameters::Closed::of(&document);
    let document = openapi::finish(document);
    let routes = routes.merge(openapi::pages(&document, state.live.clone()));
    let routes = routes
        .fallback(|| async { http::StatusCode::NOT_FOUND })
        .method_not_allowed_fallback(|| async { http::StatusCode::METHOD_NOT_ALLOWED });
    layers::apply(routes, closed, &state).with_state(state)
}

/// The OpenAPI document.
#[must_use]
pub fn document() -> OpenApi {
    openapi::finish(routes().into_openapi())
}

fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::base())
        .merge(health::routes())
        .nest("/api/v1", api())
}

fn api() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(auth::routes())
        .merge(passwords::routes())
        .merge(email::routes())
        .merge(api_keys::routes())
        .merge(sessions::routes())
        .merge(second_factor::routes())
        .merge(users::routes())
        .merge(roles::routes())
        .merge(products::routes())
        .merge(audit::routes())
        .merge(privacy::routes())
}
