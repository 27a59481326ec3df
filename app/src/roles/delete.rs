//! DELETE /roles/{id}.

use axum::extract::State;
use http::StatusCode;

use super::{RolesDelete, guard, store};
use crate::audit::{self, Action, Event};
use crate::auth::Authorized;
use crate::error::{Code, Error, Problem, Result};
use crate::extract::{ApiPath, Origin};
use crate::state::AppState;
use crate::users::RoleId;

/// Delete a role that nobody has.
#[utoipa::path(delete, path = "/roles/{id}", tag = "roles", params(("id" = RoleId, Path, description = "Id of the role")),
    security(("bearer" = ["roles.delete"])),
    responses(
        (status = 204, description = "The role is gone"),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "`IN_USE`: The resource is in use")))]
pub(super) async fn delete_role(
    caller: Authorized<RolesDelete>,
    origin: Origin,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<RoleId>,
) -> Result<StatusCode> {
    let mut tx = state.database.begin().await?;
    let role = store::lock(&mut tx, id)
        .await?
        .ok_or_else(|| Error::not_found("role"))?;
    if role.is_system {
        return Err(Error::refused(
            Code::Conflict,
            "this role belongs to the program and stays",
        ));
    }
    guard::may_hand_out(caller.principal.permissions(), &role.permissions)?;
    store::delete(&mut tx, id).await?;
    let event = Event::of(Action::RoleDeleted, &origin)
        .by(caller.principal.user)
        .on("role", id)
        .with(serde_json::json!({"name": role.name, "permissions": role.permissions}));
    audit::record(&mut tx, &event).await?;
    tx.commit()
        .await
        .map_err(|error| Error::database("commit the deletion", error))?;
    Ok(StatusCode::NO_CONTENT)
}
