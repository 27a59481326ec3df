//! PUT /users/{id}.

use axum::Json;
use axum::extract::State;
use serde_json::json;
use sqlx::PgConnection;

use super::domain::User;
use super::wire::{UpdateUser, UserOut};
use super::{UserId, UsersUpdate, store};
use crate::audit::{self, Action, Event};
use crate::auth::{Authorized, revoke};
use crate::error::{Code, Error, Problem, Result};
use crate::extract::{ApiJson, ApiPath, Origin};
use crate::mail::{self, Message, To};
use crate::state::AppState;
use crate::tx::{self, Work};

/// Change a user; deactivating one ends every session of theirs at once.
#[utoipa::path(put, path = "/users/{id}", tag = "users", params(("id" = UserId, Path, description = "Id of the user")),
    request_body = UpdateUser,
    security(("bearer" = ["users.update"])),
    responses(
        (status = 200, description = "The user", body = UserOut),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "`DUPLICATE_EMAIL`: The e-mail is taken")))]
pub(super) async fn update_user(
    caller: Authorized<UsersUpdate>,
    origin: Origin,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<UserId>,
    ApiJson(body): ApiJson<UpdateUser>,
) -> Result<Json<UserOut>> {
    let change = body.check()?;
    if id == caller.principal.user && !change.is_active {
        return Err(Error::refused(
            Code::Conflict,
            "you cannot deactivate yourself; ask another administrator",
        ));
    }
    let update = store::Update {
        email: &change.email,
        first_name: &change.first_name,
        last_name: &change.last_name,
        is_active: change.is_active,
    };
    let work = Change {
        id,
        update,
        by: caller.principal.user,
        origin: &origin,
    };
    let user = tx::transaction(&state.database, "change a user", work).await?;
    state.sessions.changed(&[id]).await;
    Ok(Json(user.into()))
}

struct Change<'a> {
    id: UserId,
    update: store::Update<'a>,
    by: UserId,
    origin: &'a Origin,
}

impl Work<User> for Change<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<User> {
        let before = find(connection, self.id).await?;
        if !store::update(connection, self.id, &self.update).await? {
            return Err(Error::not_found("user"));
        }
        if !self.update.is_active {
            revoke::all(connection, self.id, revoke::Reason::Deactivated).await?;
        }
        let user = find(connection, self.id).await?;
        if !before.email.eq_ignore_ascii_case(&user.email) {
            let to = To::User(self.id, &user.email);
            mail::enqueue(connection, to, &Message::EmailVerification).await?;
        }
        let event = Event::of(Action::UserChanged, self.origin)
            .by(self.by)
            .on("user", self.id)
            .with(json!({"changed": changed(&before, &user), "is_active": user.is_active}));
        audit::record(connection, &event).await?;
        Ok(user)
    }
}

async fn find(connection: &mut PgConnection, id: UserId) -> Result<User> {
    let user = store::find(connection, id).await?;
    user.ok_or_else(|| Error::not_found("user"))
}

/// Which fields differ: their names, for the audit log. Their values are personal data.
fn changed(before: &User, after: &User) -> Vec<&'static str> {
    let fields = [
        ("email", before.email != after.email),
        ("first_name", before.first_name != after.first_name),
        ("last_name", before.last_name != after.last_name),
        ("is_active", before.is_active != after.is_active),
    ];
    let differs = |(name, differs): (&'static str, bool)| differs.then_some(name);
    fields.into_iter().filter_map(differs).collect()
}
