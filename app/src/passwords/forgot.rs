//! POST /auth/forgot-password.
//!
//! Owns the answer, which is the same whoever is named: all that is done is to write the request down.

use axum::extract::State;
use http::StatusCode;

use super::wire::ForgotPassword;
use crate::auth::Refused;
use crate::error::{Error, Result};
use crate::extract::{ApiJson, Origin};
use crate::mail::{self, Message, To};
use crate::state::AppState;
use crate::users::domain::{Email, field};

/// Ask for a mail with which to set a new password. The answer is the same whether there is such a user
/// or not.
#[utoipa::path(post, path = "/auth/forgot-password", tag = "passwords", request_body = ForgotPassword,
    responses((status = 202, description = "If there is such a user, they get a mail")))]
pub(super) async fn forgot_password(
    State(state): State<AppState>,
    origin: Origin,
    ApiJson(body): ApiJson<ForgotPassword>,
) -> Result<StatusCode> {
    let mut faults = Vec::new();
    let Some(email) = field::<Email>(&mut faults, "#/email", &body.email) else {
        return Err(Error::invalid(faults));
    };
    let tried = Some(email.as_str());
    let ip = origin.ip;
    let admitted = state.logins.admit("forgot-password", ip, tried).await;
    admitted.inspect_err(|_| state.refusals.note(Refused::ForgottenPassword, &origin))?;
    let mut connection = state.database.acquire().await?;
    let to = To::Whoever(email.as_str());
    mail::enqueue(&mut connection, to, &Message::PasswordReset).await?;
    Ok(StatusCode::ACCEPTED)
}
