//! POST /roles/assign and /roles/remove.

use axum::extract::State;
use http::StatusCode;
use sqlx::PgConnection;

use super::wire::Assignment;
use super::{RolesAssign, guard, store};
use crate::audit::{self, Action, Event};
use crate::auth::{Authorized, Principal};
use crate::db::Transaction;
use crate::error::{Code, Error, Result};
use crate::extract::{ApiJson, Origin};
use crate::state::AppState;
use crate::users::{UserId, store as users};

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
    let mut tx = state.database.begin().await?;
    allowed(&mut tx, &caller.principal, &body).await?;
    let changed = users::assign(&mut tx, body.user_id, body.role_id).await?;
    let event = Event::of(Action::RoleAssigned, &origin);
    let event = changed.then(|| noted(event, &caller.principal, &body));
    finish(&state, tx, body.user_id, event).await
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
    let mut tx = state.database.begin().await?;
    allowed(&mut tx, &caller.principal, &body).await?;
    if caller.principal.user == body.user_id {
        return Err(Error::refused(
            Code::Conflict,
            "you cannot take a role from yourself; ask another administrator",
        ));
    }
    if users::find(&mut tx, body.user_id).await?.is_none() {
        return Err(Error::not_found("user"));
    }
    let changed = users::unassign(&mut tx, body.user_id, body.role_id).await?;
    let event = Event::of(Action::RoleRemoved, &origin);
    let event = changed.then(|| noted(event, &caller.principal, &body));
    finish(&state, tx, body.user_id, event).await
}

async fn allowed(
    connection: &mut PgConnection,
    caller: &Principal,
    body: &Assignment,
) -> Result<()> {
    // Locked: the role cannot gain a permission between this check and the commit.
    let role = store::lock(connection, body.role_id)
        .await?
        .ok_or_else(|| Error::not_found("role"))?;
    guard::may_hand_out(caller.permissions(), &role.permissions)
}

fn noted(event: Event, caller: &Principal, body: &Assignment) -> Event {
    event
        .by(caller.user)
        .on("user", body.user_id)
        .with(serde_json::json!({"role": body.role_id}))
}

/// Commits; without an event nothing has changed.
async fn finish(
    state: &AppState,
    mut tx: Transaction,
    user: UserId,
    event: Option<Event>,
) -> Result<StatusCode> {
    if let Some(event) = &event {
        users::bump_epoch(&mut tx, &[user]).await?;
        audit::record(&mut tx, event).await?;
    }
    tx.commit()
        .await
        .map_err(|error| Error::database("commit the assignment", error))?;
    if event.is_some() {
        state.sessions.changed(&[user]).await;
    }
    Ok(StatusCode::NO_CONTENT)
}
