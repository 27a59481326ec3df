//! Proving that an address is one's own.
//!
//! Owns the routes under `/email`. A code proves the address that it was sent to and no other: a change
//! of the address in between makes it worthless.

mod send;
mod verify;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(send::send_verification))
        .routes(routes!(verify::verify_email))
}
