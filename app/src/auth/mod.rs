//! Signing in and out, and what a signed-in caller may do.
//!
//! Owns tokens, password hashes, sessions and the routes under `/auth` and `/profile`. An unknown
//! user, a wrong password and a paused sign-in get the same answer in the same time.

mod challenge;
mod decoy;
pub(crate) mod failure;
mod grant;
pub mod hash;
mod hash_memory;
pub mod hear;
mod login;
mod logout;
pub mod principal;
mod profile;
mod recent;
mod refresh;
pub mod refusals;
pub(crate) mod revoke;
mod second_step;
pub mod sessions;
mod store;
pub mod sweep;
mod tally;
pub mod token;
mod tried;
pub(crate) mod unattended;
mod wire;
mod workers;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

pub use principal::{Authenticated, Authorized, Credential, InPerson, Principal};
pub(crate) use store::permissions;
pub(crate) use tally::Refused;

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(login::login))
        .routes(routes!(second_step::login_second_factor))
        .routes(routes!(refresh::refresh))
        .routes(routes!(logout::logout))
        .routes(routes!(profile::read_profile, profile::update_profile))
}
