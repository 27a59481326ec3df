//! POST /users.

use axum::extract::State;
use sqlx::PgConnection;

use super::password::PasswordRules;
use super::wire::{CreateUser, UserOut};
use super::{UserId, UsersCreate, store};
use crate::audit::{self, Action, Event};
use crate::auth::Authorized;
use crate::error::{Error, Problem, Result};
use crate::extract::etag::ETag;
use crate::extract::idempotency::{KeyParam, OptionalKey};
use crate::extract::{ApiJson, Origin};
use crate::mail::{self, Message, To};
use crate::metrics::METRICS;
use crate::state::AppState;
use crate::subjects;
use crate::tx::{self, Once, Reply, Work};

/// Create a user, who has no role until one is assigned; with an Idempotency-Key at most once, however often the
/// request is sent.
#[utoipa::path(post, path = "/users", tag = "users", request_body = CreateUser,
    params(KeyParam),
    security(("bearer" = ["users.create"])),
    responses(
        (status = 201, description = "The user", body = UserOut,
            headers(("location" = String, description = "Path of the user"),
                    ("etag" = String, description = "Version, for if-match"),
                    ("idempotency-replayed" = String, description = "true when an earlier request had the effect"))),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "`DUPLICATE_EMAIL`: The e-mail is taken; `IDEMPOTENCY_IN_FLIGHT`: The same request is in progress"),
        (status = 422, body = Problem, content_type = "application/problem+json",
            description = "`IDEMPOTENCY_KEY_REUSED`: The key was used for another request"),
        (status = 503, body = Problem, content_type = "application/problem+json",
            description = "`OVERLOADED`: Temporarily overloaded")))]
pub(super) async fn create_user(
    caller: Authorized<UsersCreate>,
    origin: Origin,
    State(state): State<AppState>,
    OptionalKey(key): OptionalKey,
    ApiJson(body): ApiJson<CreateUser>,
) -> Result<Reply> {
    let (id, by) = (UserId::new(), caller.principal.user);
    let set = state.keyring.current();
    let once = key
        .map(|key| Once::sealed(by, "users.create", key, &body.asked(), &set))
        .transpose()?
        .map(|once| once.about(id));
    let rules = PasswordRules::of(&state.settings.auth);
    let new = state.hasher.instead(move || body.check(rules)).await??;
    // Hashed before a connection is taken: nothing waits in the pool for the hash.
    let hash = state.hasher.hash(set, new.password.into_secret()).await?;
    let insert = store::Insert {
        id,
        email: &new.email,
        first_name: &new.first_name,
        last_name: &new.last_name,
        hash: &hash,
    };
    let work = Create {
        insert,
        by,
        origin: &origin,
    };
    let reply = tx::once(&state.database, "create a user", once.as_ref(), work).await?;
    if !reply.replayed {
        METRICS.users_created.inc();
    }
    Ok(reply)
}

struct Create<'a> {
    insert: store::Insert<'a>,
    by: UserId,
    origin: &'a Origin,
}

/// The row, the person's key, the letter that asks for a proof of the address, and the note of it: all or none.
impl Work<Reply> for Create<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<Reply> {
        let id = self.insert.id;
        store::insert(connection, &self.insert).await?;
        subjects::prepare(connection, id.into()).await?;
        let to = To::User(id, self.insert.email.as_str());
        mail::enqueue(connection, to, &Message::EmailVerification).await?;
        let user = store::find(connection, id).await?;
        let user = user.ok_or_else(|| Error::internal("read the new user", "it is not there"))?;
        let event = Event::of(Action::UserCreated, self.origin)
            .by(self.by)
            .on("user", id);
        audit::record(connection, &event).await?;
        let etag = ETag::of(user.version);
        let reply = Reply::created(format!("/api/v1/users/{id}"), &UserOut::from(user))?;
        Ok(reply.with_etag(etag.into()))
    }
}
