//! PUT /roles/{id}.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::domain::Role;
use super::wire::{RoleBody, RoleOut};
use super::{RolesUpdate, guard, store};
use crate::audit::{self, Action, Event};
use crate::auth::Authorized;
use crate::error::{Code, Error, Problem, Result};
use crate::extract::{ApiJson, ApiPath, Origin};
use crate::state::AppState;
use crate::users::RoleId;

/// Change a role; it takes hold of every holder's next request.
#[utoipa::path(put, path = "/roles/{id}", tag = "roles", params(("id" = RoleId, Path, description = "Id of the role")),
    request_body = RoleBody,
    security(("bearer" = ["roles.update"])),
    responses(
        (status = 200, description = "The role", body = RoleOut),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "`DUPLICATE_NAME`: The name is taken")))]
pub(super) async fn update_role(
    caller: Authorized<RolesUpdate>,
    origin: Origin,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<RoleId>,
    ApiJson(body): ApiJson<RoleBody>,
) -> Result<Json<RoleOut>> {
    let draft = body.check()?;
    let held = caller.principal.permissions();
    guard::may_hand_out(held, &draft.permissions)?;
    let mut tx = state.database.begin().await?;
    let before = store::lock(&mut tx, id)
        .await?
        .ok_or_else(|| Error::not_found("role"))?;
    if before.is_system {
        return Err(Error::refused(
            Code::Conflict,
            "this role belongs to the program; create one of your own",
        ));
    }
    // Taking a permission away from others is as much power as giving it.
    guard::may_hand_out(held, &before.permissions)?;
    store::update(&mut tx, id, &draft).await?;
    let holders = store::bump_holders(&mut tx, id).await?;
    let role = store::find(&mut tx, id)
        .await?
        .ok_or_else(|| Error::not_found("role"))?;
    let event = Event::of(Action::RoleChanged, &origin)
        .by(caller.principal.user)
        .on("role", id)
        .with(json!({"before": described(&before), "after": described(&role)}));
    audit::record(&mut tx, &event).await?;
    tx.commit()
        .await
        .map_err(|error| Error::database("commit the role", error))?;
    state.sessions.changed(&holders).await;
    Ok(Json(role.into()))
}

fn described(role: &Role) -> Value {
    json!({"name": role.name, "permissions": role.permissions})
}
