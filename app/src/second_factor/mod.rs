//! The second factor of a sign-in: codes that an authenticator app shows (TOTP), and recovery codes for
//! the day it is lost.
//!
//! Owns the noun: routes, JSON, the algorithm's use and SQL. The secret is stored sealed under the user's
//! key, recovery codes as hashes; a code is good once, though its window is open for longer.

mod confirm;
mod disable;
mod enrol;
mod read;
mod recovery;
mod store;
mod totp;
mod wire;

use jiff::Timestamp;
use sqlx::PgConnection;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::Result;
use crate::state::AppState;
use crate::users::UserId;

pub(crate) use store::state;
pub(crate) use wire::SecondFactor;

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(read::read_second_factor))
        .routes(routes!(enrol::enrol_second_factor))
        .routes(routes!(confirm::confirm_second_factor))
        .routes(routes!(disable::disable_second_factor))
}

/// Whether `code` is a good one of the user's: of the app, and not used yet, or a recovery code. It is
/// used up once the caller commits.
pub(crate) async fn check(connection: &mut PgConnection, user: UserId, code: &str) -> Result<bool> {
    let Some(factor) = store::lock(connection, user).await? else {
        return Ok(false);
    };
    if !factor.confirmed {
        return Ok(false);
    }
    let now = Timestamp::now();
    if let Some(step) = totp::matching_step(&factor.secret, code, now)? {
        return store::advance(connection, user, step).await;
    }
    match recovery::digest(code) {
        Some(digest) => store::spend(connection, user, &digest).await,
        None => Ok(false),
    }
}
