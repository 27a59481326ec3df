//! DELETE /sessions.

use axum::extract::State;
use http::StatusCode;

use crate::audit::{self, Action, Event};
use crate::auth::{InPerson, revoke};
use crate::error::{Error, Result};
use crate::extract::Origin;
use crate::state::AppState;

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
    let mut tx = state.database.begin().await?;
    let keep = Some(caller.session);
    revoke::all_but(&mut tx, user, keep, revoke::Reason::Elsewhere).await?;
    let event = Event::of(Action::SessionRevoked, &origin)
        .by(user)
        .on("user", user)
        .with(serde_json::json!({"but": caller.session}));
    audit::record(&mut tx, &event).await?;
    tx.commit()
        .await
        .map_err(|error| Error::database("commit the end of sessions", error))?;
    state.sessions.changed(&[user]).await;
    Ok(StatusCode::NO_CONTENT)
}
