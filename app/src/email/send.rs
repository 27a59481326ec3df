//! POST /email/send-verification.

use axum::extract::State;
use http::StatusCode;
use sqlx::PgConnection;

use crate::auth::InPerson;
use crate::error::{Code, Error, Result};
use crate::mail::{self, Message, To};
use crate::state::AppState;
use crate::tx::{self, Work};
use crate::users::{UserId, store as users};

/// Ask for a mail that confirms your address.
#[utoipa::path(post, path = "/email/send-verification", tag = "email",
    security(("bearer" = [])),
    responses((status = 202, description = "You get a mail")))]
pub(super) async fn send_verification(
    caller: InPerson,
    State(state): State<AppState>,
) -> Result<StatusCode> {
    let work = Ask {
        user: caller.principal.user,
    };
    tx::transaction(&state.database, "ask for a proof of an address", work).await?;
    Ok(StatusCode::ACCEPTED)
}

struct Ask {
    user: UserId,
}

impl Work<()> for Ask {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<()> {
        // Or the address of somebody who is erased meanwhile would be written down once more.
        users::hold(connection, self.user).await?;
        let contact = users::contact(connection, self.user).await?;
        let contact = contact.ok_or_else(|| Error::not_found("user"))?;
        if contact.verified {
            return Err(Error::refused(
                Code::Conflict,
                "your address is confirmed already",
            ));
        }
        let to = To::User(self.user, &contact.email);
        mail::enqueue(connection, to, &Message::EmailVerification).await
    }
}
