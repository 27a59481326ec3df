//! POST /api-keys.
//!
//! The answer holds the key: where it is kept for an Idempotency-Key, it is kept sealed. It must never be given
//! again without a note of it.

use axum::extract::State;
use sqlx::PgConnection;

use super::domain::{Draft, KEPT_DEAD, MAX_KEYS};
use super::key::Fresh;
use super::wire::{ApiKeyCreated, CreateApiKey};
use super::{ApiKeyId, store};
use crate::audit::{self, Action, Event};
use crate::auth::InPerson;
use crate::db::Database;
use crate::error::{Code, Error, Problem, Result};
use crate::extract::idempotency::{KeyParam, OptionalKey};
use crate::extract::{ApiJson, Origin};
use crate::roles::guard;
use crate::state::AppState;
use crate::tx::{self, Once, Reply, Work};
use crate::users::{UserId, store as users};

/// Make an API key of permissions that you hold. The key is shown this once, and to whoever repeats the request
/// with its Idempotency-Key.
#[utoipa::path(post, path = "/api-keys", tag = "api-keys", request_body = CreateApiKey,
    params(KeyParam),
    security(("bearer" = [])),
    responses(
        (status = 201, description = "The key, shown this once", body = ApiKeyCreated,
            headers(("location" = String, description = "Path of the key"),
                    ("idempotency-replayed" = String, description = "true when an earlier request had the effect"))),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "`IDEMPOTENCY_IN_FLIGHT`: The same request is in progress"),
        (status = 422, body = Problem, content_type = "application/problem+json",
            description = "`IDEMPOTENCY_KEY_REUSED`: The key was used for another request")))]
pub(super) async fn create_api_key(
    caller: InPerson,
    origin: Origin,
    State(state): State<AppState>,
    OptionalKey(key): OptionalKey,
    ApiJson(body): ApiJson<CreateApiKey>,
) -> Result<Reply> {
    let owner = caller.principal.user;
    let set = state.keyring.current();
    let once = key
        .map(|key| Once::sealed(owner, "api_keys.create", key, &body, &set))
        .transpose()?;
    let draft = body.check()?;
    guard::may_hand_out(caller.principal.permissions(), &draft.scopes)?;
    let fresh = Fresh::draw().map_err(|error| Error::internal("draw an API key", error))?;
    let id = ApiKeyId::new();
    let work = Create {
        id,
        owner,
        draft: &draft,
        fresh: &fresh,
        origin: &origin,
    };
    let reply = tx::once(&state.database, "create an API key", once.as_ref(), work).await?;
    if reply.replayed {
        note_shown(&state.database, owner, &origin, &reply).await?;
    } else {
        tracing::info!(user_id = %owner, api_key_id = %id, "an API key was made");
    }
    Ok(reply)
}

/// Whoever has taken over the session and knows the Idempotency-Key gets the key, too.
async fn note_shown(
    database: &Database,
    owner: UserId,
    origin: &Origin,
    reply: &Reply,
) -> Result<()> {
    let path = reply.location.as_deref().unwrap_or_default();
    let id = path.rsplit('/').next().unwrap_or_default();
    let event = Event::of(Action::ApiKeyShown, origin)
        .by(owner)
        .on("api_key", id);
    audit::record_alone(database, &event).await
}

struct Create<'a> {
    id: ApiKeyId,
    owner: UserId,
    draft: &'a Draft,
    fresh: &'a Fresh,
    origin: &'a Origin,
}

impl Work<Reply> for Create<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<Reply> {
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
        let id = self.id;
        let key = store::insert(connection, id, self.owner, self.draft, self.fresh).await?;
        let event = Event::of(Action::ApiKeyCreated, self.origin)
            .by(self.owner)
            .on("api_key", id)
            .with(serde_json::json!({"scopes": self.draft.scopes}));
        audit::record(connection, &event).await?;
        let created = ApiKeyCreated {
            key: self.fresh.text.expose_secret().to_owned(),
            api_key: key.into(),
        };
        Reply::created(format!("/api/v1/api-keys/{id}"), &created)
    }
}
