//! POST /roles/assign and /roles/remove.

use axum::extract::State;
use http::StatusCode;
use sqlx::PgConnection;

use super::domain::Role;
use super::wire::Assignment;
use super::{RolesAssign, guard, store};
use crate::audit::{self, Action, Event};
use crate::auth::{Authorized, Principal};
use crate::error::{Code, Error, Result};
use crate::extract::{ApiJson, Origin};
use crate::state::AppState;
use crate::tx::{self, Work};
use crate::users::bootstrap::ADMIN_ROLE;
use crate::users::{UserId, administrators, store as users};

/// Give a role of permissions that you hold to a user; it takes hold of their next request.
#[utoipa::path(post, path = "/roles/assign", tag = "roles", request_body = Assignment,
    security(("bearer" = ["roles.assign"])),
    responses((status = 204, description = "The user has the role")))]
pub(super) async fn assign_role(
    caller: Authorized<RolesAssign>,
    origin: Origin,
    State(state): State<AppState>,
    ApiJson(body): ApiJson<Assignment>,
) -> Result<StatusCode> {
    let work = Assign {
        caller: &caller.principal,
        origin: &origin,
        body: &body,
    };
    let changed = tx::transaction(&state.database, "assign a role", work).await?;
    Ok(told(&state, body.user_id, changed).await)
}

/// Take a role of permissions that you hold from a user; it takes hold of their next request.
#[utoipa::path(post, path = "/roles/remove", tag = "roles", request_body = Assignment,
    security(("bearer" = ["roles.assign"])),
    responses((status = 204, description = "The user does not have the role")))]
pub(super) async fn remove_role(
    caller: Authorized<RolesAssign>,
    origin: Origin,
    State(state): State<AppState>,
    ApiJson(body): ApiJson<Assignment>,
) -> Result<StatusCode> {
    let work = Remove(Assign {
        caller: &caller.principal,
        origin: &origin,
        body: &body,
    });
    let changed = tx::transaction(&state.database, "remove a role", work).await?;
    Ok(told(&state, body.user_id, changed).await)
}

struct Assign<'a> {
    caller: &'a Principal,
    origin: &'a Origin,
    body: &'a Assignment,
}

struct Remove<'a>(Assign<'a>);

/// Whether the user did not have the role.
impl Work<bool> for Assign<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<bool> {
        self.allowed(connection).await?;
        let Assignment { user_id, role_id } = *self.body;
        let changed = users::assign(connection, user_id, role_id).await?;
        if changed {
            self.note(connection, Action::RoleAssigned).await?;
        }
        Ok(changed)
    }
}

/// Whether the user had the role.
impl Work<bool> for Remove<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<bool> {
        let Self(assign) = self;
        let role = assign.allowed(connection).await?;
        let Assignment { user_id, role_id } = *assign.body;
        if assign.caller.user == user_id {
            return Err(Error::refused(
                Code::Conflict,
                "you cannot take a role from yourself; ask another administrator",
            ));
        }
        if users::find(connection, user_id).await?.is_none() {
            return Err(Error::not_found("user"));
        }
        if role.name == ADMIN_ROLE {
            // It is locked, as `administrators::lock` does.
            administrators::one_stays(connection, user_id).await?;
        }
        let changed = users::unassign(connection, user_id, role_id).await?;
        if changed {
            assign.note(connection, Action::RoleRemoved).await?;
        }
        Ok(changed)
    }
}

impl Assign<'_> {
    /// The role, if the caller may give and take it.
    async fn allowed(&self, connection: &mut PgConnection) -> Result<Role> {
        // Locked: the role cannot gain a permission between this check and the commit.
        let role = store::lock(connection, self.body.role_id).await?;
        let role = role.ok_or_else(|| Error::not_found("role"))?;
        guard::may_hand_out(self.caller.permissions(), &role.permissions)?;
        Ok(role)
    }

    /// The user's next request reads their roles anew.
    async fn note(&self, connection: &mut PgConnection, action: Action) -> Result<()> {
        let user = self.body.user_id;
        users::bump_epoch(connection, &[user]).await?;
        let event = Event::of(action, self.origin)
            .by(self.caller.user)
            .on("user", user)
            .with(serde_json::json!({"role": self.body.role_id}));
        audit::record(connection, &event).await
    }
}

/// Announces what was committed.
async fn told(state: &AppState, user: UserId, changed: bool) -> StatusCode {
    if changed {
        state.sessions.changed(&[user]).await;
    }
    StatusCode::NO_CONTENT
}
