//! API keys: what a program presents in place of a sign-in.
//!
//! Owns the noun: routes, JSON, domain and SQL. A key may do what its scopes and its owner's roles both
//! allow at the time of use. It is shown once, and to who repeats the request with its Idempotency-Key; it is
//! stored as a hash. With a key alone nobody can make, list or revoke keys, or change the account.

mod create;
mod domain;
pub(crate) mod export;
mod key;
mod list;
mod revoke;
mod store;
mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

pub use domain::ApiKeyId;
pub use key::{NotAKey, PREFIX, Presented};
pub(crate) use store::{Known, count_active, known, touch};

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list_api_keys, create::create_api_key))
        .routes(routes!(revoke::revoke_api_key))
}
