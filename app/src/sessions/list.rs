//! GET /sessions.

use axum::Json;
use axum::extract::State;

use super::store;
use super::wire::SessionList;
use crate::auth::InPerson;
use crate::error::Result;
use crate::state::AppState;

/// List the sessions in which you are signed in.
#[utoipa::path(get, path = "/sessions", tag = "sessions",
    security(("bearer" = [])),
    responses((status = 200, description = "Your sessions", body = SessionList)))]
pub(super) async fn list_sessions(
    caller: InPerson,
    State(state): State<AppState>,
) -> Result<Json<SessionList>> {
    let mut connection = state.database.acquire().await?;
    let sessions = store::list(&mut connection, caller.principal.user, caller.session).await?;
    connection.done();
    Ok(Json(SessionList { sessions }))
}
