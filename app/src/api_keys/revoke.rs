//! DELETE /api-keys/{id}.

use axum::extract::State;
use http::StatusCode;
use sqlx::PgConnection;

use super::{ApiKeyId, store};
use crate::audit::{self, Action, Event};
use crate::auth::InPerson;
use crate::error::{Error, Result};
use crate::extract::{ApiPath, Origin};
use crate::state::AppState;
use crate::tx::{self, Work};
use crate::users::UserId;

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
    let work = Revoke {
        user,
        id,
        origin: &origin,
    };
    tx::transaction(&state.database, "revoke an API key", work).await?;
    state.sessions.changed(&[user]).await;
    tracing::info!(user_id = %user, api_key_id = %id, "an API key was revoked");
    Ok(StatusCode::NO_CONTENT)
}

struct Revoke<'a> {
    user: UserId,
    id: ApiKeyId,
    origin: &'a Origin,
}

impl Work<()> for Revoke<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<()> {
        if !store::revoke(connection, self.user, self.id).await? {
            return Err(Error::not_found("API key"));
        }
        let event = Event::of(Action::ApiKeyRevoked, self.origin)
            .by(self.user)
            .on("api_key", self.id);
        audit::record(connection, &event).await
    }
}
