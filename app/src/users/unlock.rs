//! POST /users/{id}/unlock.

use axum::extract::State;
use http::StatusCode;
use sqlx::PgConnection;

use super::{UserId, UsersUnlock, store};
use crate::audit::{self, Action, Event};
use crate::auth::{Authorized, hear};
use crate::error::{Code, Error, Result};
use crate::extract::{ApiPath, Origin};
use crate::limits::Identifier;
use crate::state::AppState;
use crate::tx::{self, Work};

/// Lift the lock of a user's sign-in before its time; one that has none loses nothing but the count of
/// their failures.
#[utoipa::path(post, path = "/users/{id}/unlock", tag = "users", params(("id" = UserId, Path, description = "Id of the user")),
    security(("bearer" = ["users.unlock"])),
    responses((status = 204, description = "Sign-in is open to the user")))]
pub(super) async fn unlock_user(
    caller: Authorized<UsersUnlock>,
    origin: Origin,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<UserId>,
) -> Result<StatusCode> {
    let work = Unlock {
        id,
        by: caller.principal.user,
        origin: &origin,
    };
    let identifier = tx::transaction(&state.database, "lift a lock", work).await?;
    tracing::info!(user_id = %id, by = %caller.principal.user, "a lock was lifted");
    if state.logins.forgive(&identifier).await {
        return Ok(StatusCode::NO_CONTENT);
    }
    // Said rather than hidden: what Redis counts holds again once it is back.
    Err(Error::refused(
        Code::ServiceUnavailable,
        "the lock is lifted where redis was away, and may return with it; try again then",
    )
    .retry_after(std::time::Duration::from_secs(1)))
}

struct Unlock<'a> {
    id: UserId,
    by: UserId,
    origin: &'a Origin,
}

/// What the user signs in by.
impl Work<Identifier> for Unlock<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<Identifier> {
        let user = store::find(connection, self.id).await?;
        let user = user.ok_or_else(|| Error::not_found("user"))?;
        let identifier = Identifier::of(&user.email);
        let event = Event::of(Action::Unlocked, self.origin)
            .by(self.by)
            .on("user", self.id);
        audit::record(connection, &event).await?;
        hear::tell_unlocked(connection, &identifier).await?;
        Ok(identifier)
    }
}
