//! POST /email/verify.

use axum::extract::State;
use erpgo_secret_set::Secret;
use http::StatusCode;
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::audit::{self, Action, Event};
use crate::error::{Error, FieldError, Result};
use crate::extract::{ApiJson, Origin};
use crate::mail::{self, Purpose};
use crate::state::AppState;
use crate::tx::{self, Work};
use crate::users::store as users;

/// What the mail said.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyEmail {
    /// The code from the mail.
    #[schema(value_type = String, format = Password, example = "k3Vd80Lx…", max_length = 100)]
    token: Secret,
}

/// Confirm an address with the code that was sent to it. The code is good once.
#[utoipa::path(post, path = "/email/verify", tag = "email", request_body = VerifyEmail,
    responses((status = 204, description = "The address is confirmed")))]
pub(super) async fn verify_email(
    origin: Origin,
    State(state): State<AppState>,
    ApiJson(body): ApiJson<VerifyEmail>,
) -> Result<StatusCode> {
    let token = body.token.expose_secret();
    tx::transaction(
        &state.database,
        "verify an e-mail",
        Verify { token, origin },
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

struct Verify<'a> {
    token: &'a str,
    origin: Origin,
}

impl Work<()> for Verify<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<()> {
        let used = mail::redeem(connection, Purpose::EmailVerification, self.token).await?;
        let verified = match &used {
            Some(used) => users::verify_email(connection, used.user, &used.address).await?,
            None => false,
        };
        if let (true, Some(used)) = (verified, used) {
            let event = Event::of(Action::EmailVerified, &self.origin)
                .by(used.user)
                .on("user", used.user);
            return audit::record(connection, &event).await;
        }
        Err(Error::invalid(vec![FieldError::new(
            "#/token",
            "invalid_token",
            "is not good, or no longer; ask for another mail",
        )]))
    }
}
