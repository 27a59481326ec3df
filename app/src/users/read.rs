//! GET /users/{id}.

use axum::extract::State;
use axum::response::Response;

use super::wire::UserOut;
use super::{UserId, UsersRead, store};
use crate::audit::{self, Action, Event};
use crate::auth::Authorized;
use crate::error::{Error, Result};
use crate::extract::etag::{ETag, IfNoneMatch, IfNoneMatchParam};
use crate::extract::{ApiPath, Origin};
use crate::state::AppState;

/// Read a user.
#[utoipa::path(get, path = "/users/{id}", tag = "users",
    params(("id" = UserId, Path, description = "Id of the user"),
        IfNoneMatchParam),
    security(("bearer" = ["users.read"])),
    responses(
        (status = 200, description = "The user", body = UserOut,
            headers(("etag" = String, description = "Version, for if-match and if-none-match"))),
        (status = 304, description = "You have this version")))]
pub(super) async fn read_user(
    caller: Authorized<UsersRead>,
    origin: Origin,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<UserId>,
    known: IfNoneMatch,
) -> Result<Response> {
    let mut connection = state.database.acquire().await?;
    let user = store::find(&mut connection, id).await?;
    let user = user.ok_or_else(|| Error::not_found("user"))?;
    // Noted even when the client has it: that nothing has changed is told, too.
    if id != caller.principal.user {
        let event = Event::of(Action::UserRead, &origin)
            .by(caller.principal.user)
            .on("user", id);
        audit::record(&mut connection, &event).await?;
    }
    connection.done();
    Ok(known.answer(ETag::of(user.version), UserOut::from(user)))
}
