//! DELETE /users/{id}.

use axum::extract::State;
use http::StatusCode;

use super::{UserId, UsersDelete, store};
use crate::audit::{self, Action, Event};
use crate::auth::Authorized;
use crate::error::{Code, Error, Result};
use crate::extract::{ApiPath, Origin};
use crate::state::AppState;
use crate::subjects;

/// Delete a user with all sessions.
#[utoipa::path(delete, path = "/users/{id}", tag = "users", params(("id" = UserId, Path, description = "Id of the user")),
    security(("bearer" = ["users.delete"])),
    responses((status = 204, description = "The user is gone")))]
pub(super) async fn delete_user(
    caller: Authorized<UsersDelete>,
    origin: Origin,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<UserId>,
) -> Result<StatusCode> {
    if id == caller.principal.user {
        return Err(Error::refused(
            Code::Conflict,
            "you cannot delete yourself; ask another administrator",
        ));
    }
    let mut tx = state.database.begin().await?;
    if !store::delete(&mut tx, id).await? {
        return Err(Error::not_found("user"));
    }
    // The row is gone, and what the audit log has sealed of the person goes with it.
    subjects::destroy(&mut tx, id.into()).await?;
    let event = Event::of(Action::UserDeleted, &origin)
        .by(caller.principal.user)
        .on("user", id);
    audit::record(&mut tx, &event).await?;
    tx.commit()
        .await
        .map_err(|error| Error::database("commit the deletion", error))?;
    state.sessions.changed(&[id]).await;
    Ok(StatusCode::NO_CONTENT)
}
