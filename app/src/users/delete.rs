//! DELETE /users/{id}.

use axum::extract::State;
use http::StatusCode;
use sqlx::PgConnection;

use super::{UserId, UsersDelete, administrators, store};
use crate::audit::{self, Action, Event};
use crate::auth::{Authorized, Principal};
use crate::error::{Code, Error, Problem, Result};
use crate::extract::etag::{ETag, OptionalIfMatch, OptionalIfMatchParam};
use crate::extract::{Origin, Target};
use crate::roles::guard;
use crate::state::AppState;
use crate::subjects;
use crate::tx::{self, Work};

/// Delete a user with all sessions. You must hold every permission that they hold. Without If-Match they are
/// deleted whatever others have changed.
#[utoipa::path(delete, path = "/users/{id}", tag = "users",
    params(("id" = UserId, Path, description = "Id of the user"),
        OptionalIfMatchParam),
    security(("bearer" = ["users.delete"])),
    responses(
        (status = 204, description = "The user is gone"),
        (status = 412, body = Problem, content_type = "application/problem+json",
            description = "`PRECONDITION_FAILED`: The resource has changed")))]
pub(super) async fn delete_user(
    caller: Authorized<UsersDelete>,
    origin: Origin,
    State(state): State<AppState>,
    Target { id, expected }: Target<UserId>,
) -> Result<StatusCode> {
    if id == caller.principal.user {
        return Err(Error::refused(
            Code::Conflict,
            "you cannot delete yourself; ask another administrator",
        ));
    }
    let work = Delete {
        id,
        expected: &expected,
        caller: &caller.principal,
        origin: &origin,
    };
    tx::transaction(&state.database, "delete a user", work).await?;
    state.sessions.changed(&[id]).await;
    Ok(StatusCode::NO_CONTENT)
}

struct Delete<'a> {
    id: UserId,
    expected: &'a OptionalIfMatch,
    caller: &'a Principal,
    origin: &'a Origin,
}

impl Work<()> for Delete<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<()> {
        administrators::lock(connection).await?;
        let current = store::lock(connection, self.id).await?;
        let current = current.ok_or_else(|| Error::not_found("user"))?;
        guard::may_overrule(connection, self.caller.permissions(), self.id).await?;
        administrators::one_stays(connection, self.id).await?;
        self.expected.check(&ETag::of(current.version))?;
        store::delete(connection, self.id).await?;
        // The row is gone. What the audit log has sealed of the person goes with it, and so does what kept
        // answers tell of them.
        subjects::destroy(connection, self.id.into()).await?;
        tx::forget_about(connection, self.id).await?;
        let event = Event::of(Action::UserDeleted, self.origin)
            .by(self.caller.user)
            .on("user", self.id);
        audit::record(connection, &event).await
    }
}
