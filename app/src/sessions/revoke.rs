//! DELETE /sessions/{id}.

use axum::extract::State;
use http::StatusCode;

use crate::audit::{self, Action, Event};
use crate::auth::{InPerson, revoke};
use crate::error::{Error, Result};
use crate::extract::{ApiPath, Origin};
use crate::state::AppState;
use crate::users::SessionId;

/// End one of your sessions: its tokens are refused everywhere within a second.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "sessions",
    params(("id" = SessionId, Path, description = "Id of the session")),
    security(("bearer" = [])),
    responses((status = 204, description = "The session has ended")))]
pub(super) async fn revoke_session(
    caller: InPerson,
    origin: Origin,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<SessionId>,
) -> Result<StatusCode> {
    let user = caller.principal.user;
    let reason = if id == caller.session {
        revoke::Reason::Logout
    } else {
        revoke::Reason::Elsewhere
    };
    let mut tx = state.database.begin().await?;
    if !revoke::session(&mut tx, user, id, reason).await? {
        return Err(Error::not_found("session"));
    }
    let event = Event::of(Action::SessionRevoked, &origin)
        .by(user)
        .on("session", id);
    audit::record(&mut tx, &event).await?;
    tx.commit()
        .await
        .map_err(|error| Error::database("commit the end of a session", error))?;
    state.sessions.changed(&[user]).await;
    Ok(StatusCode::NO_CONTENT)
}
