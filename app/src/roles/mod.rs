//! Roles and the permissions that they carry.
//!
//! Owns the noun: routes, JSON, domain and SQL. Nobody can hand out a permission that they do not
//! hold, and every change takes hold through the users' epoch.

mod assign;
mod change;
mod create;
mod delete;
mod domain;
pub(crate) mod guard;
mod list;
pub mod permission;
mod read;
mod store;
mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

crate::permissions! {
    /// See roles.
    RolesRead = "roles.read";
    /// Create roles.
    RolesCreate = "roles.create";
    /// Change roles.
    RolesUpdate = "roles.update";
    /// Delete roles.
    RolesDelete = "roles.delete";
    /// Give roles to users and take them away.
    RolesAssign = "roles.assign";
}

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list_roles, create::create_role))
        .routes(routes!(
            read::read_role,
            change::update_role,
            delete::delete_role
        ))
        .routes(routes!(assign::assign_role))
        .routes(routes!(assign::remove_role))
}
