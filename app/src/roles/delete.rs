//! DELETE /roles/{id}.

use axum::extract::State;
use http::StatusCode;
use sqlx::PgConnection;

use super::{RolesDelete, guard, store};
use crate::audit::{self, Action, Event};
use crate::auth::{Authorized, Principal};
use crate::error::{Problem, Result};
use crate::extract::etag::{ETag, OptionalIfMatch, OptionalIfMatchParam};
use crate::extract::{Origin, Target};
use crate::state::AppState;
use crate::tx::{self, Work};
use crate::users::RoleId;

/// Delete a role that nobody has. Without If-Match it is deleted whatever others have changed.
#[utoipa::path(delete, path = "/roles/{id}", tag = "roles",
    params(("id" = RoleId, Path, description = "Id of the role"),
        OptionalIfMatchParam),
    security(("bearer" = ["roles.delete"])),
    responses(
        (status = 204, description = "The role is gone"),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "`IN_USE`: The resource is in use"),
        (status = 412, body = Problem, content_type = "application/problem+json",
            description = "`PRECONDITION_FAILED`: The resource has changed")))]
pub(super) async fn delete_role(
    caller: Authorized<RolesDelete>,
    origin: Origin,
    State(state): State<AppState>,
    Target { id, expected }: Target<RoleId>,
) -> Result<StatusCode> {
    let work = Delete {
        id,
        expected: &expected,
        caller: &caller.principal,
        origin: &origin,
    };
    tx::transaction(&state.database, "delete a role", work).await?;
    Ok(StatusCode::NO_CONTENT)
}

struct Delete<'a> {
    id: RoleId,
    expected: &'a OptionalIfMatch,
    caller: &'a Principal,
    origin: &'a Origin,
}

impl Work<()> for Delete<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<()> {
        let role = guard::changeable(connection, self.id, self.caller.permissions()).await?;
        self.expected.check(&ETag::of(role.version))?;
        store::delete(connection, self.id).await?;
        let event = Event::of(Action::RoleDeleted, self.origin)
            .by(self.caller.user)
            .on("role", self.id)
            .with(serde_json::json!({"name": role.name, "permissions": role.permissions}));
        audit::record(connection, &event).await
    }
}
