//! POST /profile/erase and POST /users/{id}/erase.
//!
//! Owns who may have whom forgotten: whoever may erase, whatever the other one may do, since it is their wish
//! that is done; but who may do everything is erased only by one who may, too. It must never leave the
//! installation without an administrator.

use axum::extract::State;
use http::StatusCode;
use sqlx::PgConnection;

use super::wire::EraseBody;
use super::{UsersErase, store};
use crate::audit::{self, Action, Event};
use crate::auth::{Authorized, InPerson, Principal};
use crate::error::{Code, Error, Result};
use crate::extract::{ApiJson, ApiPath, Origin};
use crate::passwords::{self, Proven};
use crate::roles::guard;
use crate::state::AppState;
use crate::subjects;
use crate::tx::{self, Work};
use crate::users::{UserId, administrators, store as users};

/// Erase your account for good. Your records stay where the law asks for them, without your name. The last
/// user with the role `admin` who may sign in makes somebody else one first.
#[utoipa::path(post, path = "/profile/erase", tag = "auth", request_body = EraseBody,
    security(("bearer" = [])),
    responses((status = 204, description = "You are forgotten")))]
pub(super) async fn erase_profile(
    caller: InPerson,
    origin: Origin,
    State(state): State<AppState>,
    ApiJson(body): ApiJson<EraseBody>,
) -> Result<StatusCode> {
    let user = caller.principal.user;
    let proven = passwords::prove(&state, &origin, user, body.password).await?;
    let event = Event::of(Action::UserErased, &origin).by(user);
    let asked = Asked::Themselves(Box::new(proven));
    erase(&state, Erase::new(user, asked, event)).await
}

/// Erase a user for good, whatever they may do; one who may do everything (`*`) is erased only by one who may,
/// too, and the last one with the role `admin` who may sign in stays.
#[utoipa::path(post, path = "/users/{id}/erase", tag = "users",
    params(("id" = UserId, Path, description = "Id of the user")),
    security(("bearer" = ["users.erase"])),
    responses((status = 204, description = "The user is forgotten")))]
pub(super) async fn erase_user(
    caller: Authorized<UsersErase>,
    origin: Origin,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<UserId>,
) -> Result<StatusCode> {
    if id == caller.principal.user {
        return Err(Error::refused(
            Code::Conflict,
            "to erase yourself, use /profile/erase with your password",
        ));
    }
    let event = Event::of(Action::UserErased, &origin).by(caller.principal.user);
    let asked = Asked::Another(caller.principal);
    erase(&state, Erase::new(id, asked, event)).await
}

async fn erase(state: &AppState, work: Erase) -> Result<StatusCode> {
    let user = work.user;
    tx::transaction(&state.database, "erase a user", work).await?;
    state.sessions.changed(&[user]).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Who asks for it.
enum Asked {
    /// The user, who has shown that they know their password.
    Themselves(Box<Proven>),
    /// Somebody who may erase.
    Another(Principal),
}

impl Asked {
    /// Refuses when they may not have the user erased, or no longer; the user's row is locked.
    async fn allowed(&self, connection: &mut PgConnection, user: UserId) -> Result<()> {
        match self {
            Self::Themselves(proven) => proven.hold(connection).await,
            Self::Another(caller) => guard::may_erase(connection, caller.permissions(), user).await,
        }
    }
}

struct Erase {
    user: UserId,
    asked: Asked,
    event: Event,
}

impl Erase {
    fn new(user: UserId, asked: Asked, event: Event) -> Self {
        // Written after the key is gone, and without anything to be sealed: it would make a new key.
        let event = event.without_personal().on("user", user);
        Self { user, asked, event }
    }
}

impl Work<()> for Erase {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<()> {
        administrators::lock(connection).await?;
        // Before anything of theirs is looked for: what others have under way for them is there by then.
        let found = users::lock(connection, self.user).await?;
        self.asked.allowed(connection, self.user).await?;
        if found.is_none() {
            return Err(Error::not_found("user"));
        }
        administrators::one_stays(connection, self.user).await?;
        store::forget(connection, self.user).await?;
        subjects::destroy(connection, self.user.into()).await?;
        audit::record(connection, &self.event).await
    }
}
