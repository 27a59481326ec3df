//! GET /roles.

use axum::Json;
use axum::extract::State;

use super::domain::Role;
use super::wire::{RoleList, RoleOut};
use super::{RolesRead, store};
use crate::auth::Authorized;
use crate::error::Result;
use crate::extract::page::part::{CursorParam, Part};
use crate::extract::page::{Page, cursor};
use crate::extract::{ApiQuery, FromQuery, Params};
use crate::state::AppState;

/// Which part of the list is asked for; a role's place is its name.
pub(super) struct ListQuery(pub(super) Part<String>);

impl FromQuery for ListQuery {
    fn read(params: &mut Params) -> Self {
        Self(Part::read(params, position))
    }
}

/// Names the list that a cursor belongs to.
const LIST: &str = "roles";

/// Anybody can make a cursor: what no role has may be in it.
fn position(cursor: &str) -> Option<String> {
    let values = cursor::decode(LIST, cursor)?;
    let [name] = values.as_slice() else {
        return None;
    };
    (!name.contains('\0')).then(|| name.clone())
}

/// The cursor after `last`.
pub(super) fn cursor_after(last: &Role) -> String {
    cursor::encode(LIST, std::slice::from_ref(&last.name))
}

/// List roles by name: by `page`, or on from there by `cursor`, which neither skips nor repeats one while others are added.
#[utoipa::path(get, path = "/roles", tag = "roles", params(Page, CursorParam),
    security(("bearer" = ["roles.read"])),
    responses((status = 200, description = "A part of the list", body = RoleList)))]
pub(super) async fn list_roles(
    _: Authorized<RolesRead>,
    State(state): State<AppState>,
    ApiQuery(ListQuery(part)): ApiQuery<ListQuery>,
) -> Result<Json<RoleList>> {
    let mut connection = state.database.acquire().await?;
    let mut roles = store::list(&mut connection, &part).await?;
    let more = part.cut(&mut roles);
    let mut pagination = None;
    if let Some(page) = part.page() {
        let total = store::count(&mut connection).await?;
        pagination = Some(page.pagination(roles.len(), more, total));
    }
    connection.done();
    Ok(Json(RoleList {
        next_cursor: roles.last().filter(|_| more).map(cursor_after),
        roles: roles.into_iter().map(RoleOut::from).collect(),
        pagination,
    }))
}
