//! POST /users/{id}/unlock.

use axum::extract::State;
use http::StatusCode;

use super::{UserId, UsersUnlock, store};
use crate::audit::{self, Action, Event};
use crate::auth::{Authorized, hear};
use crate::error::{Code, Error, Result};
use crate::extract::{ApiPath, Origin};
use crate::limits::Identifier;
use crate::state::AppState;

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
    let mut tx = state.database.begin().await?;
    let user = store::find(&mut tx, id)
        .await?
        .ok_or_else(|| Error::not_found("user"))?;
    let identifier = Identifier::of(&user.email);
    let event = Event::of(Action::Unlocked, &origin)
        .by(caller.principal.user)
        .on("user", id);
    audit::record(&mut tx, &event).await?;
    hear::tell_unlocked(&mut tx, &identifier).await?;
    tx.commit()
        .await
        .map_err(|error| Error::database("commit the unlocking", error))?;
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
