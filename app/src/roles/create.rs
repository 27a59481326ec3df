//! POST /roles.

use axum::Json;
use axum::extract::State;
use http::{HeaderName, StatusCode, header};
use serde_json::json;
use sqlx::PgConnection;

use super::domain::{Draft, Role};
use super::wire::{RoleBody, RoleOut};
use super::{RolesCreate, guard, store};
use crate::audit::{self, Action, Event};
use crate::auth::Authorized;
use crate::error::{Error, Problem, Result};
use crate::extract::etag::ETag;
use crate::extract::{ApiJson, Origin};
use crate::state::AppState;
use crate::tx::{self, Work};
use crate::users::{RoleId, UserId};

/// Create a role of permissions that you hold.
#[utoipa::path(post, path = "/roles", tag = "roles", request_body = RoleBody,
    security(("bearer" = ["roles.create"])),
    responses(
        (status = 201, description = "The role", body = RoleOut,
            headers(("location" = String, description = "Path of the role"),
                    ("etag" = String, description = "Version, for if-match"))),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "`DUPLICATE_NAME`: The name is taken")))]
pub(super) async fn create_role(
    caller: Authorized<RolesCreate>,
    origin: Origin,
    State(state): State<AppState>,
    ApiJson(body): ApiJson<RoleBody>,
) -> Result<(StatusCode, [(HeaderName, String); 2], Json<RoleOut>)> {
    let draft = body.check()?;
    guard::may_hand_out(caller.principal.permissions(), &draft.permissions)?;
    let id = RoleId::new();
    let work = Create {
        id,
        draft: &draft,
        by: caller.principal.user,
        origin: &origin,
    };
    let role = tx::transaction(&state.database, "create a role", work).await?;
    let headers = [
        (header::LOCATION, format!("/api/v1/roles/{id}")),
        (header::ETAG, ETag::of(role.version).into()),
    ];
    Ok((StatusCode::CREATED, headers, Json(role.into())))
}

struct Create<'a> {
    id: RoleId,
    draft: &'a Draft,
    by: UserId,
    origin: &'a Origin,
}

impl Work<Role> for Create<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<Role> {
        store::insert(connection, self.id, self.draft).await?;
        let role = store::find(connection, self.id).await?;
        let role = role.ok_or_else(|| Error::internal("read the new role", "it is not there"))?;
        let event = Event::of(Action::RoleCreated, self.origin)
            .by(self.by)
            .on("role", self.id)
            .with(json!({"name": role.name, "permissions": role.permissions}));
        audit::record(connection, &event).await?;
        Ok(role)
    }
}
