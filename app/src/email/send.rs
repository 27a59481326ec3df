//! POST /email/send-verification.

use axum::extract::State;
use http::StatusCode;

use crate::auth::InPerson;
use crate::error::{Code, Error, Result};
use crate::mail::{self, Message, To};
use crate::state::AppState;
use crate::users::store as users;

/// Ask for a mail that confirms your address.
#[utoipa::path(post, path = "/email/send-verification", tag = "email",
    security(("bearer" = [])),
    responses((status = 202, description = "You get a mail")))]
pub(super) async fn send_verification(
    caller: InPerson,
    State(state): State<AppState>,
) -> Result<StatusCode> {
    let id = caller.principal.user;
    let mut connection = state.database.acquire().await?;
    let contact = users::contact(&mut connection, id).await?;
    let contact = contact.ok_or_else(|| Error::not_found("user"))?;
    if contact.verified {
        return Err(Error::refused(
            Code::Conflict,
            "your address is confirmed already",
        ));
    }
    let to = To::User(id, &contact.email);
    mail::enqueue(&mut connection, to, &Message::EmailVerification).await?;
    Ok(StatusCode::ACCEPTED)
}
