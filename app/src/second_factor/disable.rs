//! POST /auth/second-factor/disable.

use axum::extract::State;
use http::StatusCode;
use sqlx::PgConnection;

use super::wire::WithPassword;
use super::{confirm, store};
use crate::auth::InPerson;
use crate::error::{Error, Result};
use crate::extract::{ApiJson, Origin};
use crate::passwords;
use crate::state::AppState;
use crate::tx::{self, Work};
use crate::users::UserId;

/// Switch your second factor off; the recovery codes go with it.
#[utoipa::path(post, path = "/auth/second-factor/disable", tag = "second-factor",
    request_body = WithPassword, security(("bearer" = [])),
    responses((status = 204, description = "It is off")))]
pub(super) async fn disable_second_factor(
    caller: InPerson,
    origin: Origin,
    State(state): State<AppState>,
    ApiJson(body): ApiJson<WithPassword>,
) -> Result<StatusCode> {
    let user = passwords::prove(&state, &origin, caller.principal.user, body.password).await?;
    let work = Disable {
        user: user.id,
        origin: &origin,
    };
    tx::transaction(&state.database, "disable a second factor", work).await?;
    tracing::info!(user_id = %user.id, "a second factor was switched off");
    Ok(StatusCode::NO_CONTENT)
}

struct Disable<'a> {
    user: UserId,
    origin: &'a Origin,
}

impl Work<()> for Disable<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<()> {
        if !store::remove(connection, self.user).await? {
            return Err(Error::not_found("second factor"));
        }
        confirm::tell(connection, self.user, self.origin, false).await
    }
}
