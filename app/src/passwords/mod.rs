//! Changing one's password, and setting a new one with a token from a mail.
//!
//! Owns the noun: routes and JSON. A new password ends the user's other sessions; who asks for a reset
//! learns nothing about whether there is such a user.

mod change;
mod forgot;
mod proof;
mod reset;
mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

pub(crate) use change::prove;
pub(crate) use proof::Proven;

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(change::change_password))
        .routes(routes!(forgot::forgot_password))
        .routes(routes!(reset::reset_password))
}
