//! GET /roles/{id}.

use axum::Json;
use axum::extract::State;

use super::wire::RoleOut;
use super::{RolesRead, store};
use crate::auth::Authorized;
use crate::error::{Error, Result};
use crate::extract::ApiPath;
use crate::state::AppState;
use crate::users::RoleId;

/// Read a role.
#[utoipa::path(get, path = "/roles/{id}", tag = "roles", params(("id" = RoleId, Path, description = "Id of the role")),
    security(("bearer" = ["roles.read"])),
    responses((status = 200, description = "The role", body = RoleOut)))]
pub(super) async fn read_role(
    _: Authorized<RolesRead>,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<RoleId>,
) -> Result<Json<RoleOut>> {
    let mut connection = state.database.acquire().await?;
    let role = store::find(&mut connection, id).await?;
    connection.done();
    let role = role.ok_or_else(|| Error::not_found("role"))?;
    Ok(Json(role.into()))
}
