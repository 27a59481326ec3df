//! POST /roles.

use axum::extract::State;
use serde_json::json;
use sqlx::PgConnection;

use super::domain::Draft;
use super::wire::{RoleBody, RoleOut};
use super::{RolesCreate, guard, store};
use crate::audit::{self, Action, Event};
use crate::auth::Authorized;
use crate::error::{Error, Problem, Result};
use crate::extract::etag::ETag;
use crate::extract::idempotency::{KeyParam, OptionalKey};
use crate::extract::{ApiJson, Origin};
use crate::state::AppState;
use crate::tx::{self, Once, Reply, Work};
use crate::users::{RoleId, UserId};

/// Create a role of permissions that you hold; with an Idempotency-Key at most once, however often the request
/// is sent.
#[utoipa::path(post, path = "/roles", tag = "roles", request_body = RoleBody,
    params(KeyParam),
    security(("bearer" = ["roles.create"])),
    responses(
        (status = 201, description = "The role", body = RoleOut,
            headers(("location" = String, description = "Path of the role"),
                    ("etag" = String, description = "Version, for if-match"),
                    ("idempotency-replayed" = String, description = "true when an earlier request had the effect"))),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "`DUPLICATE_NAME`: The name is taken; `IDEMPOTENCY_IN_FLIGHT`: The same request is in progress"),
        (status = 422, body = Problem, content_type = "application/problem+json",
            description = "`IDEMPOTENCY_KEY_REUSED`: The key was used for another request")))]
pub(super) async fn create_role(
    caller: Authorized<RolesCreate>,
    origin: Origin,
    State(state): State<AppState>,
    OptionalKey(key): OptionalKey,
    ApiJson(body): ApiJson<RoleBody>,
) -> Result<Reply> {
    let by = caller.principal.user;
    let once = key
        .map(|key| Once::new(by, "roles.create", key, &body))
        .transpose()?;
    let draft = body.check()?;
    guard::may_hand_out(caller.principal.permissions(), &draft.permissions)?;
    let work = Create {
        id: RoleId::new(),
        draft: &draft,
        by,
        origin: &origin,
    };
    tx::once(&state.database, "create a role", once.as_ref(), work).await
}

struct Create<'a> {
    id: RoleId,
    draft: &'a Draft,
    by: UserId,
    origin: &'a Origin,
}

impl Work<Reply> for Create<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<Reply> {
        store::insert(connection, self.id, self.draft).await?;
        let role = store::find(connection, self.id).await?;
        let role = role.ok_or_else(|| Error::internal("read the new role", "it is not there"))?;
        let event = Event::of(Action::RoleCreated, self.origin)
            .by(self.by)
            .on("role", self.id)
            .with(json!({"name": role.name, "permissions": role.permissions}));
        audit::record(connection, &event).await?;
        let location = format!("/api/v1/roles/{}", role.id);
        let etag = ETag::of(role.version);
        let reply = Reply::created(location, &RoleOut::from(role))?;
        Ok(reply.with_etag(etag.into()))
    }
}
