//! POST /auth/second-factor/enrol.

use axum::Json;
use axum::extract::State;
use sqlx::PgConnection;

use super::wire::{Enrolment, WithPassword};
use super::{store, totp};
use crate::auth::InPerson;
use crate::error::{Code, Error, Result};
use crate::extract::{ApiJson, Origin};
use crate::passwords::{self, Proven};
use crate::state::AppState;
use crate::tx::{self, Work};

/// Get a secret for your authenticator app. Nothing changes before you confirm it with a code.
#[utoipa::path(post, path = "/auth/second-factor/enrol", tag = "second-factor",
    request_body = WithPassword, security(("bearer" = [])),
    responses((status = 200, description = "The secret, shown this once", body = Enrolment)))]
pub(super) async fn enrol_second_factor(
    caller: InPerson,
    origin: Origin,
    State(state): State<AppState>,
    ApiJson(body): ApiJson<WithPassword>,
) -> Result<Json<Enrolment>> {
    let id = caller.principal.user;
    let proven = passwords::prove(&state, &origin, id, body.password).await?;
    let mut secret = [0; totp::SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(|error| Error::internal("draw a second factor", error))?;
    let work = Enrol {
        proven: &proven,
        secret: &secret,
    };
    tx::transaction(&state.database, "enrol a second factor", work).await?;
    let (secret, url) = totp::enrolment(&secret, &proven.user.email);
    Ok(Json(Enrolment { secret, url }))
}

struct Enrol<'a> {
    proven: &'a Proven,
    secret: &'a [u8],
}

impl Work<()> for Enrol<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<()> {
        self.proven.hold(connection).await?;
        if store::put(connection, self.proven.user.id, self.secret).await? {
            return Ok(());
        }
        Err(Error::refused(
            Code::Conflict,
            "you have a second factor; disable it before you enrol another one",
        ))
    }
}
