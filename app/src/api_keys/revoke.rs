//! DELETE /api-keys/{id}.

use axum::extract::State;
use http::StatusCode;

use super::{ApiKeyId, store};
use crate::audit::{self, Action, Event};
use crate::auth::InPerson;
use crate::error::{Error, Result};
use crate::extract::{ApiPath, Origin};
use crate::state::AppState;

/// Revoke one of your API keys: it is refused everywhere within a second.
#[utoipa::path(delete, path = "/api-keys/{id}", tag = "api-keys",
    params(("id" = ApiKeyId, Path, description = "Id of the key")),
    security(("bearer" = [])),
    responses((status = 204, description = "The key is refused from now on")))]
pub(super) async fn revoke_api_key(
    caller: InPerson,
    origin: Origin,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<ApiKeyId>,
) -> Result<StatusCode> {
    let user = caller.principal.user;
    let mut tx = state.database.begin().await?;
    if !store::revoke(&mut tx, user, id).await? {
        return Err(Error::not_found("API key"));
    }
    let event = Event::of(Action::ApiKeyRevoked, &origin)
        .by(user)
        .on("api_key", id);
    audit::record(&mut tx, &event).await?;
    tx.commit()
        .await
        .map_err(|error| Error::database("commit the end of an API key", error))?;
    state.sessions.changed(&[user]).await;
    tracing::info!(user_id = %user, api_key_id = %id, "an API key was revoked");
    Ok(StatusCode::NO_CONTENT)
}
