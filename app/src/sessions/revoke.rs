//! DELETE /sessions/{id}.

use axum::extract::State;
use http::StatusCode;
use sqlx::PgConnection;

use crate::audit::{self, Action, Event};
use crate::auth::{InPerson, revoke};
use crate::error::{Error, Result};
use crate::extract::{ApiPath, Origin};
use crate::state::AppState;
use crate::tx::{self, Work};
use crate::users::{SessionId, UserId};

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
    let work = Revoke {
        user,
        id,
        reason,
        origin: &origin,
    };
    tx::transaction(&state.database, "end a session", work).await?;
    state.sessions.changed(&[user]).await;
    Ok(StatusCode::NO_CONTENT)
}

struct Revoke<'a> {
    user: UserId,
    id: SessionId,
    reason: revoke::Reason,
    origin: &'a Origin,
}

impl Work<()> for Revoke<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<()> {
        if !revoke::session(connection, self.user, self.id, self.reason).await? {
            return Err(Error::not_found("session"));
        }
        let event = Event::of(Action::SessionRevoked, self.origin)
            .by(self.user)
            .on("session", self.id);
        audit::record(connection, &event).await
    }
}
