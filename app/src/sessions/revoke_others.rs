//! DELETE /sessions.

use axum::extract::State;
use http::StatusCode;
use sqlx::PgConnection;

use crate::audit::{self, Action, Event};
use crate::auth::{InPerson, revoke};
use crate::error::Result;
use crate::extract::Origin;
use crate::state::AppState;
use crate::tx::{self, Work};
use crate::users::{SessionId, UserId};

/// End every session of yours but this one.
#[utoipa::path(delete, path = "/sessions", tag = "sessions",
    security(("bearer" = [])),
    responses((status = 204, description = "You are signed in here alone")))]
pub(super) async fn revoke_other_sessions(
    caller: InPerson,
    origin: Origin,
    State(state): State<AppState>,
) -> Result<StatusCode> {
    let user = caller.principal.user;
    let work = RevokeOthers {
        user,
        keep: caller.session,
        origin: &origin,
    };
    tx::transaction(&state.database, "end other sessions", work).await?;
    state.sessions.changed(&[user]).await;
    Ok(StatusCode::NO_CONTENT)
}

struct RevokeOthers<'a> {
    user: UserId,
    keep: SessionId,
    origin: &'a Origin,
}

impl Work<()> for RevokeOthers<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<()> {
        let keep = Some(self.keep);
        revoke::all_but(connection, self.user, keep, revoke::Reason::Elsewhere).await?;
        let event = Event::of(Action::SessionRevoked, self.origin)
            .by(self.user)
            .on("user", self.user)
            .with(serde_json::json!({"but": self.keep}));
        audit::record(connection, &event).await
    }
}
