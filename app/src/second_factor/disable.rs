//! POST /auth/second-factor/disable.

use axum::extract::State;
use http::StatusCode;
use sqlx::PgConnection;

use super::wire::WithPassword;
use super::{confirm, store};
use crate::auth::InPerson;
use crate::error::{Error, Result};
use crate::extract::{ApiJson, Origin};
use crate::passwords::{self, Proven};
use crate::state::AppState;
use crate::tx::{self, Work};

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
    let id = caller.principal.user;
    let proven = passwords::prove(&state, &origin, id, body.password).await?;
    let work = Disable {
        proven: &proven,
        origin: &origin,
    };
    tx::transaction(&state.database, "disable a second factor", work).await?;
    tracing::info!(user_id = %proven.user.id, "a second factor was switched off");
    Ok(StatusCode::NO_CONTENT)
}

struct Disable<'a> {
    proven: &'a Proven,
    origin: &'a Origin,
}

impl Work<()> for Disable<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<()> {
        let user = self.proven.user.id;
        let had_one = store::remove(connection, user).await?;
        // After the factor, as a sign-in locks them. Whose account is gone, it went with that.
        self.proven.hold(connection).await?;
        if !had_one {
            return Err(Error::not_found("second factor"));
        }
        confirm::tell(connection, user, self.origin, false).await
    }
}
