//! PUT /roles/{id}.

use axum::Json;
use axum::extract::State;
use http::{HeaderName, header};
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::domain::{Draft, Role};
use super::wire::{RoleBody, RoleOut};
use super::{RolesUpdate, guard, store};
use crate::audit::{self, Action, Event};
use crate::auth::{Authorized, Principal};
use crate::error::{Error, Problem, Result};
use crate::extract::etag::{ETag, OptionalIfMatch, OptionalIfMatchParam};
use crate::extract::{ApiJson, Origin, Target};
use crate::state::AppState;
use crate::tx::{self, Work};
use crate::users::{RoleId, UserId};

/// Change a role; it takes hold of every holder's next request. Without If-Match the last write stands, whatever
/// it undoes.
#[utoipa::path(put, path = "/roles/{id}", tag = "roles", request_body = RoleBody,
    params(("id" = RoleId, Path, description = "Id of the role"),
        OptionalIfMatchParam),
    security(("bearer" = ["roles.update"])),
    responses(
        (status = 200, description = "The role", body = RoleOut,
            headers(("etag" = String, description = "Version, for if-match"))),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "`DUPLICATE_NAME`: The name is taken"),
        (status = 412, body = Problem, content_type = "application/problem+json",
            description = "`PRECONDITION_FAILED`: The resource has changed")))]
pub(super) async fn update_role(
    caller: Authorized<RolesUpdate>,
    origin: Origin,
    State(state): State<AppState>,
    Target { id, expected }: Target<RoleId>,
    ApiJson(body): ApiJson<RoleBody>,
) -> Result<([(HeaderName, String); 1], Json<RoleOut>)> {
    let draft = body.check()?;
    guard::may_hand_out(caller.principal.permissions(), &draft.permissions)?;
    let work = Change {
        id,
        expected: &expected,
        draft: &draft,
        caller: &caller.principal,
        origin: &origin,
    };
    let (role, holders) = tx::transaction(&state.database, "change a role", work).await?;
    state.sessions.changed(&holders).await;
    let headers = [(header::ETAG, ETag::of(role.version).into())];
    Ok((headers, Json(role.into())))
}

struct Change<'a> {
    id: RoleId,
    expected: &'a OptionalIfMatch,
    draft: &'a Draft,
    caller: &'a Principal,
    origin: &'a Origin,
}

/// The role as it is now, and who has it.
impl Work<(Role, Vec<UserId>)> for Change<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<(Role, Vec<UserId>)> {
        let before = guard::changeable(connection, self.id, self.caller.permissions()).await?;
        self.expected.check(&ETag::of(before.version))?;
        store::update(connection, self.id, self.draft).await?;
        let renamed = before.name != self.draft.name.as_str();
        let holders = store::bump_holders(connection, self.id, renamed).await?;
        let role = store::find(connection, self.id).await?;
        let role = role.ok_or_else(|| Error::not_found("role"))?;
        let event = Event::of(Action::RoleChanged, self.origin)
            .by(self.caller.user)
            .on("role", self.id)
            .with(json!({"before": described(&before), "after": described(&role)}));
        audit::record(connection, &event).await?;
        Ok((role, holders))
    }
}

fn described(role: &Role) -> Value {
    json!({"name": role.name, "permissions": role.permissions})
}
