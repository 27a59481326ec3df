//! POST /users.

use axum::Json;
use axum::extract::State;
use http::{HeaderName, StatusCode, header};
use sqlx::PgConnection;

use super::domain::User;
use super::password::PasswordRules;
use super::wire::{CreateUser, UserOut};
use super::{UserId, UsersCreate, store};
use crate::audit::{self, Action, Event};
use crate::auth::Authorized;
use crate::error::{Error, Problem, Result};
use crate::extract::{ApiJson, Origin};
use crate::mail::{self, Message, To};
use crate::metrics::METRICS;
use crate::state::AppState;
use crate::subjects;
use crate::tx::{self, Work};

/// Create a user, who has no role until one is assigned.
#[utoipa::path(post, path = "/users", tag = "users", request_body = CreateUser,
    security(("bearer" = ["users.create"])),
    responses(
        (status = 201, description = "The user", body = UserOut,
            headers(("location" = String, description = "Path of the user"))),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "`DUPLICATE_EMAIL`: The e-mail is taken"),
        (status = 503, body = Problem, content_type = "application/problem+json",
            description = "`OVERLOADED`: Temporarily overloaded")))]
pub(super) async fn create_user(
    caller: Authorized<UsersCreate>,
    origin: Origin,
    State(state): State<AppState>,
    ApiJson(body): ApiJson<CreateUser>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<UserOut>)> {
    let rules = PasswordRules::of(&state.settings.auth);
    let new = body.check(rules)?;
    // Hashed before a connection is taken: nothing waits in the pool for the hash.
    let set = state.keyring.current();
    let hash = state.hasher.hash(set, new.password.into_secret()).await?;
    let id = UserId::new();
    let insert = store::Insert {
        id,
        email: &new.email,
        first_name: &new.first_name,
        last_name: &new.last_name,
        hash: &hash,
    };
    let work = Create {
        insert,
        by: caller.principal.user,
        origin: &origin,
    };
    let user = tx::transaction(&state.database, "create a user", work).await?;
    METRICS.users_created.inc();
    let location = [(header::LOCATION, format!("/api/v1/users/{id}"))];
    Ok((StatusCode::CREATED, location, Json(user.into())))
}

struct Create<'a> {
    insert: store::Insert<'a>,
    by: UserId,
    origin: &'a Origin,
}

/// The row, the person's key, the letter that asks for a proof of the address, and the note of it: all or none.
impl Work<User> for Create<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<User> {
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
        Ok(user)
    }
}
