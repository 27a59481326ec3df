//! GET /roles/{id}.

use axum::extract::State;
use axum::response::Response;

use super::wire::RoleOut;
use super::{RolesRead, store};
use crate::auth::Authorized;
use crate::error::{Error, Result};
use crate::extract::ApiPath;
use crate::extract::etag::{ETag, IfNoneMatch, IfNoneMatchParam};
use crate::state::AppState;
use crate::users::RoleId;

/// Read a role.
#[utoipa::path(get, path = "/roles/{id}", tag = "roles",
    params(("id" = RoleId, Path, description = "Id of the role"),
        IfNoneMatchParam),
    security(("bearer" = ["roles.read"])),
    responses(
        (status = 200, description = "The role", body = RoleOut,
            headers(("etag" = String, description = "Version, for if-match and if-none-match"))),
        (status = 304, description = "You have this version")))]
pub(super) async fn read_role(
    _: Authorized<RolesRead>,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<RoleId>,
    known: IfNoneMatch,
) -> Result<Response> {
    let mut connection = state.database.acquire().await?;
    let role = store::find(&mut connection, id).await?;
    connection.done();
    let role = role.ok_or_else(|| Error::not_found("role"))?;
    Ok(known.answer(ETag::of(role.version), RoleOut::from(role)))
}
