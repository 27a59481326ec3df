//! POST /auth/logout.

use axum::extract::State;
use http::StatusCode;

use super::{InPerson, revoke};
use crate::audit::{self, Action, Event};
use crate::error::{Error, Result};
use crate::extract::Origin;
use crate::state::AppState;

/// Sign out: this session's tokens are refused everywhere within a second.
#[utoipa::path(post, path = "/auth/logout", tag = "auth",
    security(("bearer" = [])),
    responses((status = 204, description = "Signed out")))]
pub(super) async fn logout(
    caller: InPerson,
    origin: Origin,
    State(state): State<AppState>,
) -> Result<StatusCode> {
    let mut tx = state.database.begin().await?;
    let user = caller.principal.user;
    revoke::session(&mut tx, user, caller.session, revoke::Reason::Logout).await?;
    let event = Event::of(Action::SignedOut, &origin)
        .by(user)
        .on("session", caller.session);
    audit::record(&mut tx, &event).await?;
    tx.commit()
        .await
        .map_err(|error| Error::database("commit the sign-out", error))?;
    state.sessions.changed(&[user]).await;
    Ok(StatusCode::NO_CONTENT)
}
