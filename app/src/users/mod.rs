//! Users.
//!
//! Owns the noun: routes, JSON, domain and SQL. A password hash never leaves this folder but to be
//! verified, and no answer carries one (I-04).

pub(crate) mod administrators;
pub mod bootstrap;
mod create;
mod delete;
pub mod domain;
pub(crate) mod hashes;
mod id;
mod list;
pub mod password;
mod position;
mod read;
mod select;
pub(crate) mod store;
mod unlock;
pub(crate) mod update;
pub(crate) mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

pub use id::{RoleId, SessionId, TokenId, UserId};

crate::permissions! {
    /// See users.
    UsersRead = "users.read";
    /// Create users.
    UsersCreate = "users.create";
    /// Change users.
    UsersUpdate = "users.update";
    /// Delete users.
    UsersDelete = "users.delete";
    /// Lift the lock of a sign-in.
    UsersUnlock = "users.unlock";
}

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list_users, create::create_user))
        .routes(routes!(
            read::read_user,
            update::update_user,
            delete::delete_user
        ))
        .routes(routes!(unlock::unlock_user))
}
