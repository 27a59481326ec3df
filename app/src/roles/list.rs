//! GET /roles.

use axum::Json;
use axum::extract::State;

use super::wire::{RoleList, RoleOut};
use super::{RolesRead, store};
use crate::auth::Authorized;
use crate::error::Result;
use crate::extract::ApiQuery;
use crate::extract::page::Page;
use crate::state::AppState;

/// List roles by name.
#[utoipa::path(get, path = "/roles", tag = "roles", params(Page),
    security(("bearer" = ["roles.read"])),
    responses((status = 200, description = "One page of roles", body = RoleList)))]
pub(super) async fn list_roles(
    _: Authorized<RolesRead>,
    State(state): State<AppState>,
    ApiQuery(page): ApiQuery<Page>,
) -> Result<Json<RoleList>> {
    let mut connection = state.database.acquire().await?;
    let (mut roles, total) = store::list(&mut connection, page).await?;
    connection.done();
    let pagination = page.close(&mut roles, total);
    Ok(Json(RoleList {
        roles: roles.into_iter().map(RoleOut::from).collect(),
        pagination,
    }))
}
