//! PUT /users/{id}.

use axum::Json;
use axum::extract::State;
use http::{HeaderName, header};
use serde_json::json;
use sqlx::PgConnection;

use super::domain::User;
use super::store::Locked;
use super::wire::{UpdateUser, UserOut};
use super::{UserId, UsersUpdate, administrators, store};
use crate::audit::{self, Action, Event};
use crate::auth::{Authorized, Principal, revoke};
use crate::error::{Code, Error, Problem, Result};
use crate::extract::etag::{ETag, OptionalIfMatch, OptionalIfMatchParam};
use crate::extract::{ApiJson, Origin, Target};
use crate::mail::{self, Message, To};
use crate::roles::guard;
use crate::state::AppState;
use crate::tx::{self, Work};

/// Change a user; deactivating one ends every session of theirs at once. To give them another e-mail or
/// another `is_active` you must hold every permission that they hold; the e-mail of before is told. Without
/// If-Match the last write stands, whatever it undoes.
#[utoipa::path(put, path = "/users/{id}", tag = "users", request_body = UpdateUser,
    params(("id" = UserId, Path, description = "Id of the user"),
        OptionalIfMatchParam),
    security(("bearer" = ["users.update"])),
    responses(
        (status = 200, description = "The user", body = UserOut,
            headers(("etag" = String, description = "Version, for if-match"))),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "`DUPLICATE_EMAIL`: The e-mail is taken"),
        (status = 412, body = Problem, content_type = "application/problem+json",
            description = "`PRECONDITION_FAILED`: The resource has changed")))]
pub(super) async fn update_user(
    caller: Authorized<UsersUpdate>,
    origin: Origin,
    State(state): State<AppState>,
    Target { id, expected }: Target<UserId>,
    ApiJson(body): ApiJson<UpdateUser>,
) -> Result<([(HeaderName, String); 1], Json<UserOut>)> {
    let change = body.check()?;
    if id == caller.principal.user {
        caller.principal.in_person()?;
        if !change.is_active {
            return Err(Error::refused(
                Code::Conflict,
                "you cannot deactivate yourself; ask another administrator",
            ));
        }
    }
    let update = store::Update {
        email: &change.email,
        first_name: &change.first_name,
        last_name: &change.last_name,
        is_active: change.is_active,
    };
    let work = Change {
        id,
        expected: &expected,
        update,
        caller: &caller.principal,
        origin: &origin,
    };
    let user = tx::transaction(&state.database, "change a user", work).await?;
    state.sessions.changed(&[id]).await;
    let headers = [(header::ETAG, ETag::of(user.version).into())];
    Ok((headers, Json(user.into())))
}

struct Change<'a> {
    id: UserId,
    expected: &'a OptionalIfMatch,
    update: store::Update<'a>,
    caller: &'a Principal,
    origin: &'a Origin,
}

impl Work<User> for Change<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<User> {
        let before = self.allowed(connection).await?;
        if !store::update(connection, self.id, &self.update).await? {
            return Err(Error::not_found("user"));
        }
        if !self.update.is_active {
            revoke::all(connection, self.id, revoke::Reason::Deactivated).await?;
        }
        let user = store::find(connection, self.id).await?;
        let user = user.ok_or_else(|| Error::not_found("user"))?;
        write(connection, &before, &user).await?;
        let event = Event::of(Action::UserChanged, self.origin)
            .by(self.caller.user)
            .on("user", self.id)
            .with(json!({"changed": changed(&before, &user), "is_active": user.is_active}));
        audit::record(connection, &event).await?;
        Ok(user)
    }
}

impl Change<'_> {
    /// The user as they are until this is done, if the caller may change them so and has read them so.
    async fn allowed(&self, connection: &mut PgConnection) -> Result<Locked> {
        if !self.update.is_active {
            administrators::lock(connection).await?;
        }
        let before = store::lock(connection, self.id).await?;
        let before = before.ok_or_else(|| Error::not_found("user"))?;
        let update = &self.update;
        // To whoever has the address a reset gives the account.
        if before.email != update.email.as_str() || before.is_active != update.is_active {
            guard::may_overrule(connection, self.caller.permissions(), self.id).await?;
        }
        if !update.is_active {
            administrators::one_stays(connection, self.id).await?;
        }
        self.expected.check(&ETag::of(before.version))?;
        Ok(before)
    }
}

/// Asks for a proof of another address, and tells the one before.
async fn write(connection: &mut PgConnection, before: &Locked, user: &User) -> Result<()> {
    if before.email.eq_ignore_ascii_case(&user.email) {
        return Ok(());
    }
    let to = To::User(user.id, &user.email);
    mail::enqueue(connection, to, &Message::EmailVerification).await?;
    let to = To::User(user.id, &before.email);
    mail::enqueue(connection, to, &Message::EmailChanged).await
}

/// Which fields differ: their names, for the audit log. Their values are personal data.
fn changed(before: &Locked, after: &User) -> Vec<&'static str> {
    differing([
        ("email", before.email != after.email),
        ("first_name", before.first_name != after.first_name),
        ("last_name", before.last_name != after.last_name),
        ("is_active", before.is_active != after.is_active),
    ])
}

/// The names of those that differ.
pub(crate) fn differing<const N: usize>(fields: [(&'static str, bool); N]) -> Vec<&'static str> {
    let fields = fields.into_iter().filter(|(_, differs)| *differs);
    fields.map(|(name, _)| name).collect()
}
