//! DELETE /users/{id}/sessions.

use axum::extract::State;
use http::StatusCode;
use sqlx::PgConnection;

use super::SessionsRevoke;
use crate::audit::{self, Action, Event};
use crate::auth::{Authorized, Principal, revoke};
use crate::error::{Error, Result};
use crate::extract::{ApiPath, Origin};
use crate::roles::guard;
use crate::state::AppState;
use crate::tx::{self, Work};
use crate::users::{UserId, store as users};

/// End every session of a user; their API keys stay. You must hold every permission that they hold.
#[utoipa::path(delete, path = "/users/{id}/sessions", tag = "sessions",
    params(("id" = UserId, Path, description = "Id of the user")),
    security(("bearer" = ["sessions.revoke"])),
    responses((status = 204, description = "The user is signed in nowhere")))]
pub(super) async fn revoke_user_sessions(
    caller: Authorized<SessionsRevoke>,
    origin: Origin,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<UserId>,
) -> Result<StatusCode> {
    let work = RevokeAll {
        user: id,
        caller: &caller.principal,
        origin: &origin,
    };
    tx::transaction(&state.database, "end a user's sessions", work).await?;
    state.sessions.changed(&[id]).await;
    tracing::info!(user_id = %id, by = %caller.principal.user, "an administrator ended a user's sessions");
    Ok(StatusCode::NO_CONTENT)
}

struct RevokeAll<'a> {
    user: UserId,
    caller: &'a Principal,
    origin: &'a Origin,
}

impl Work<()> for RevokeAll<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<()> {
        if users::lock(connection, self.user).await?.is_none() {
            return Err(Error::not_found("user"));
        }
        guard::may_overrule(connection, self.caller.permissions(), self.user).await?;
        let reason = revoke::Reason::Administrator;
        revoke::all_but(connection, self.user, None, reason).await?;
        let event = Event::of(Action::SessionRevoked, self.origin)
            .by(self.caller.user)
            .on("user", self.user);
        audit::record(connection, &event).await
    }
}
