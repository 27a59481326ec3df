//! DELETE /users/{id}/sessions.

use axum::extract::State;
use http::StatusCode;

use super::SessionsRevoke;
use crate::audit::{self, Action, Event};
use crate::auth::{Authorized, revoke};
use crate::error::{Error, Result};
use crate::extract::{ApiPath, Origin};
use crate::state::AppState;
use crate::users::{UserId, store as users};

/// End every session of a user; their API keys stay.
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
    let mut tx = state.database.begin().await?;
    if users::find(&mut tx, id).await?.is_none() {
        return Err(Error::not_found("user"));
    }
    revoke::all_but(&mut tx, id, None, revoke::Reason::Administrator).await?;
    let event = Event::of(Action::SessionRevoked, &origin)
        .by(caller.principal.user)
        .on("user", id);
    audit::record(&mut tx, &event).await?;
    tx.commit()
        .await
        .map_err(|error| Error::database("commit the end of the sessions", error))?;
    state.sessions.changed(&[id]).await;
    tracing::info!(user_id = %id, by = %caller.principal.user, "an administrator ended a user's sessions");
    Ok(StatusCode::NO_CONTENT)
}
