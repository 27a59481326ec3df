//! POST /roles/assign and /roles/remove.

use axum::extract::State;
use sqlx::PgConnection;

use super::domain::Role;
use super::wire::Assignment;
use super::{RolesAssign, guard, store};
use crate::audit::{self, Action, Event};
use crate::auth::{Authorized, Principal};
use crate::error::{Code, Error, Problem, Result};
use crate::extract::idempotency::{KeyParam, OptionalKey};
use crate::extract::{ApiJson, Origin};
use crate::state::AppState;
use crate::tx::{self, Once, Reply, Work};
use crate::users::bootstrap::ADMIN_ROLE;
use crate::users::{UserId, administrators, store as users};

/// Give a role of permissions that you hold to a user; it takes hold of their next request.
#[utoipa::path(post, path = "/roles/assign", tag = "roles", request_body = Assignment,
    params(KeyParam),
    security(("bearer" = ["roles.assign"])),
    responses(
        (status = 204, description = "The user has the role",
            headers(("idempotency-replayed" = String, description = "true when an earlier request had the effect"))),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "`IDEMPOTENCY_IN_FLIGHT`: The same request is in progress"),
        (status = 422, body = Problem, content_type = "application/problem+json",
            description = "`IDEMPOTENCY_KEY_REUSED`: The key was used for another request")))]
pub(super) async fn assign_role(
    caller: Authorized<RolesAssign>,
    origin: Origin,
    State(state): State<AppState>,
    OptionalKey(key): OptionalKey,
    ApiJson(body): ApiJson<Assignment>,
) -> Result<Reply> {
    let once = key
        .map(|key| Once::new(caller.principal.user, "roles.assign", key, &body))
        .transpose()?;
    let mut changed = false;
    let work = Assign {
        caller: &caller.principal,
        origin: &origin,
        body: &body,
        changed: &mut changed,
    };
    let reply = tx::once(&state.database, "assign a role", once.as_ref(), work).await?;
    tell(&state, body.user_id, changed).await;
    Ok(reply)
}

/// Take a role of permissions that you hold from a user; it takes hold of their next request.
#[utoipa::path(post, path = "/roles/remove", tag = "roles", request_body = Assignment,
    params(KeyParam),
    security(("bearer" = ["roles.assign"])),
    responses(
        (status = 204, description = "The user does not have the role",
            headers(("idempotency-replayed" = String, description = "true when an earlier request had the effect"))),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "`IDEMPOTENCY_IN_FLIGHT`: The same request is in progress"),
        (status = 422, body = Problem, content_type = "application/problem+json",
            description = "`IDEMPOTENCY_KEY_REUSED`: The key was used for another request")))]
pub(super) async fn remove_role(
    caller: Authorized<RolesAssign>,
    origin: Origin,
    State(state): State<AppState>,
    OptionalKey(key): OptionalKey,
    ApiJson(body): ApiJson<Assignment>,
) -> Result<Reply> {
    let once = key
        .map(|key| Once::new(caller.principal.user, "roles.remove", key, &body))
        .transpose()?;
    let mut changed = false;
    let work = Remove(Assign {
        caller: &caller.principal,
        origin: &origin,
        body: &body,
        changed: &mut changed,
    });
    let reply = tx::once(&state.database, "remove a role", once.as_ref(), work).await?;
    tell(&state, body.user_id, changed).await;
    Ok(reply)
}

struct Assign<'a> {
    caller: &'a Principal,
    origin: &'a Origin,
    body: &'a Assignment,
    /// Whether the last try changed anything; what is committed is the last one.
    changed: &'a mut bool,
}

struct Remove<'a>(Assign<'a>);

impl Work<Reply> for Assign<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<Reply> {
        self.allowed(connection).await?;
        let Assignment { user_id, role_id } = *self.body;
        *self.changed = users::assign(connection, user_id, role_id).await?;
        if *self.changed {
            self.note(connection, Action::RoleAssigned).await?;
        }
        Ok(Reply::no_content())
    }
}

impl Work<Reply> for Remove<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<Reply> {
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
        *assign.changed = users::unassign(connection, user_id, role_id).await?;
        if *assign.changed {
            assign.note(connection, Action::RoleRemoved).await?;
        }
        Ok(Reply::no_content())
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
async fn tell(state: &AppState, user: UserId, changed: bool) {
    if changed {
        state.sessions.changed(&[user]).await;
    }
}
