//! POST /api-keys.
//!
//! Takes no Idempotency-Key: a stored answer would hold the key.

use axum::Json;
use axum::extract::State;
use http::{HeaderName, StatusCode, header};
use sqlx::PgConnection;

use super::domain::{ApiKey, Draft, KEPT_DEAD, MAX_KEYS};
use super::key::Fresh;
use super::wire::{ApiKeyCreated, CreateApiKey};
use super::{ApiKeyId, store};
use crate::audit::{self, Action, Event};
use crate::auth::InPerson;
use crate::error::{Code, Error, Result};
use crate::extract::{ApiJson, Origin};
use crate::roles::guard;
use crate::state::AppState;
use crate::tx::{self, Work};
use crate::users::{UserId, store as users};

/// Make an API key of permissions that you hold. The key is shown this once.
#[utoipa::path(post, path = "/api-keys", tag = "api-keys", request_body = CreateApiKey,
    security(("bearer" = [])),
    responses((status = 201, description = "The key, shown this once", body = ApiKeyCreated,
        headers(("location" = String, description = "Path of the key")))))]
pub(super) async fn create_api_key(
    caller: InPerson,
    origin: Origin,
    State(state): State<AppState>,
    ApiJson(body): ApiJson<CreateApiKey>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<ApiKeyCreated>)> {
    let draft = body.check()?;
    guard::may_hand_out(caller.principal.permissions(), &draft.scopes)?;
    let fresh = Fresh::draw().map_err(|error| Error::internal("draw an API key", error))?;
    let work = Create {
        owner: caller.principal.user,
        draft: &draft,
        fresh: &fresh,
        origin: &origin,
    };
    let key = tx::transaction(&state.database, "create an API key", work).await?;
    tracing::info!(user_id = %caller.principal.user, api_key_id = %key.id, "an API key was made");
    let location = [(header::LOCATION, format!("/api/v1/api-keys/{}", key.id))];
    let created = ApiKeyCreated {
        key: fresh.text.expose_secret().to_owned(),
        api_key: key.into(),
    };
    Ok((StatusCode::CREATED, location, Json(created)))
}

struct Create<'a> {
    owner: UserId,
    draft: &'a Draft,
    fresh: &'a Fresh,
    origin: &'a Origin,
}

impl Work<ApiKey> for Create<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<ApiKey> {
        // Two requests cannot both find room for the last key.
        users::hold(connection, self.owner).await?;
        let live = store::count(connection, self.owner).await?;
        if live >= MAX_KEYS {
            return Err(Error::refused(
                Code::Conflict,
                "you have 10 API keys; revoke one of them first",
            ));
        }
        store::tidy(connection, self.owner, KEPT_DEAD).await?;
        let id = ApiKeyId::new();
        let key = store::insert(connection, id, self.owner, self.draft, self.fresh).await?;
        let event = Event::of(Action::ApiKeyCreated, self.origin)
            .by(self.owner)
            .on("api_key", id)
            .with(serde_json::json!({"scopes": self.draft.scopes}));
        audit::record(connection, &event).await?;
        Ok(key)
    }
}
