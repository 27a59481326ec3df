//! PUT /users/{id}.

use axum::Json;
use axum::extract::State;
use serde_json::json;

use super::domain::User;
use super::wire::{UpdateUser, UserOut};
use super::{UserId, UsersUpdate, store};
use crate::audit::{self, Action, Event};
use crate::auth::{Authorized, revoke};
use crate::error::{Code, Error, Problem, Result};
use crate::extract::{ApiJson, ApiPath, Origin};
use crate::mail::{self, Message, To};
use crate::state::AppState;

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
    let mut tx = state.database.begin().await?;
    let before = store::find(&mut tx, id)
        .await?
        .ok_or_else(|| Error::not_found("user"))?;
    if !store::update(&mut tx, id, &update).await? {
        return Err(Error::not_found("user"));
    }
    if !change.is_active {
        revoke::all(&mut tx, id, revoke::Reason::Deactivated).await?;
    }
    let user = store::find(&mut tx, id)
        .await?
        .ok_or_else(|| Error::not_found("user"))?;
    let moved = !before.email.eq_ignore_ascii_case(&user.email);
    if moved {
        let to = To::User(id, &user.email);
        mail::enqueue(&mut tx, to, &Message::EmailVerification).await?;
    }
    let event = Event::of(Action::UserChanged, &origin)
        .by(caller.principal.user)
        .on("user", id)
        .with(json!({"changed": changed(&before, &user), "is_active": user.is_active}));
    audit::record(&mut tx, &event).await?;
    tx.commit()
        .await
        .map_err(|error| Error::database("commit the user", error))?;
    state.sessions.changed(&[id]).await;
    Ok(Json(user.into()))
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
