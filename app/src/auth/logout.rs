//! POST /auth/logout.

use axum::extract::State;
use http::StatusCode;
use sqlx::PgConnection;

use super::{InPerson, revoke};
use crate::audit::{self, Action, Event};
use crate::error::Result;
use crate::extract::Origin;
use crate::state::AppState;
use crate::tx::{self, Work};
use crate::users::{SessionId, UserId};

/// Sign out: this session's tokens are refused everywhere within a second.
#[utoipa::path(post, path = "/auth/logout", tag = "auth",
    security(("bearer" = [])),
    responses((status = 204, description = "Signed out")))]
pub(super) async fn logout(
    caller: InPerson,
    origin: Origin,
    State(state): State<AppState>,
) -> Result<StatusCode> {
    let user = caller.principal.user;
    let work = SignOut {
        user,
        session: caller.session,
        origin: &origin,
    };
    tx::transaction(&state.database, "sign out", work).await?;
    state.sessions.changed(&[user]).await;
    Ok(StatusCode::NO_CONTENT)
}

struct SignOut<'a> {
    user: UserId,
    session: SessionId,
    origin: &'a Origin,
}

impl Work<()> for SignOut<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<()> {
        revoke::session(connection, self.user, self.session, revoke::Reason::Logout).await?;
        let event = Event::of(Action::SignedOut, self.origin)
            .by(self.user)
            .on("session", self.session);
        audit::record(connection, &event).await
    }
}
