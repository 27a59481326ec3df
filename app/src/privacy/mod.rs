//! What a person may ask for: all that is known of them, and to be forgotten.
//!
//! Owns the routes under `/profile` and `/users/{id}` that export and erase. An erasure keeps the row
//! that other records refer to, without anything that tells of a person, and destroys the person's
//! key: what was sealed under it, in the audit log and in every backup of it, is unreadable.

mod erase;
mod export;
mod store;
mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

crate::permissions! {
    /// Export a user's data.
    UsersExport = "users.export";
    /// Erase a user.
    UsersErase = "users.erase";
}

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(export::export_profile))
        .routes(routes!(export::export_user))
        .routes(routes!(erase::erase_profile))
        .routes(routes!(erase::erase_user))
}
