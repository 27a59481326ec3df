//! Sessions as their users see them: where one is signed in, and how to end that.
//!
//! Owns the noun: routes, JSON and SQL of the list. Whether a session stands is `auth`'s to say.

pub(crate) mod export;
mod list;
mod revoke;
mod revoke_all;
mod revoke_others;
mod store;
mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

crate::permissions! {
    /// End the sessions of other users.
    SessionsRevoke = "sessions.revoke";
}

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(
            list::list_sessions,
            revoke_others::revoke_other_sessions
        ))
        .routes(routes!(revoke::revoke_session))
        .routes(routes!(revoke_all::revoke_user_sessions))
}
