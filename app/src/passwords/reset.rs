//! POST /auth/reset-password.

use axum::extract::State;
use http::StatusCode;
use sqlx::PgConnection;

use super::change::Change;
use super::wire::{ResetPassword, check};
use crate::audit::{Action, Event};
use crate::auth::Refused;
use crate::auth::hash::StoredHash;
use crate::error::{Code, Error, FieldError, Result};
use crate::extract::{ApiJson, Origin};
use crate::limits::Identifier;
use crate::mail::{self, Purpose};
use crate::state::AppState;
use crate::tx::{self, Work};
use crate::users::domain::User;
use crate::users::store as users;

/// Set a new password with the code from a mail; every session ends. The code is good once, while the address
/// that it was sent to is yours and until the password is changed.
#[utoipa::path(post, path = "/auth/reset-password", tag = "passwords", request_body = ResetPassword,
    responses((status = 204, description = "The password is set; sign in with it")))]
pub(super) async fn reset_password(
    State(state): State<AppState>,
    origin: Origin,
    ApiJson(body): ApiJson<ResetPassword>,
) -> Result<StatusCode> {
    let admitted = state.logins.admit("reset-password", origin.ip, None).await;
    admitted.inspect_err(|_| state.refusals.note(Refused::PasswordReset, &origin))?;
    // Looked at before anything is hashed: a made-up code costs one query.
    let token = body.token.expose_secret();
    let user = {
        let mut connection = state.database.acquire().await?;
        holder(&mut connection, token).await?
    };
    // A password that is refused leaves the code as it is.
    let new = check(&state, body.new_password, &user).await?;
    let set = state.keyring.current();
    let hash = state.hasher.hash(set, new.into_secret()).await?;
    let work = Reset {
        token,
        user: &user,
        hash: &hash,
        // Whoever holds the code: it came to the owner's address.
        event: Event::of(Action::PasswordReset, &origin)
            .by(user.id)
            .on("user", user.id),
    };
    tx::transaction(&state.database, "reset a password", work).await?;
    state.sessions.changed(&[user.id]).await;
    state.logins.forgive(&Identifier::of(&user.email)).await;
    tracing::info!(user_id = %user.id, "the password was set by a code from a mail");
    Ok(StatusCode::NO_CONTENT)
}

fn spent() -> Error {
    Error::invalid(vec![FieldError::new(
        "#/token",
        "invalid_token",
        "is not good, or no longer; ask for another mail",
    )])
}

async fn holder(connection: &mut PgConnection, token: &str) -> Result<User> {
    let found = mail::find_token(connection, Purpose::PasswordReset, token).await?;
    let found = found.ok_or_else(spent)?;
    let user = users::find(connection, found.user).await?;
    user.filter(|user| user.is_active).ok_or_else(spent)
}

struct Reset<'a> {
    token: &'a str,
    user: &'a User,
    hash: &'a StoredHash,
    event: Event,
}

impl Work<()> for Reset<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<()> {
        let used = mail::redeem(connection, Purpose::PasswordReset, self.token).await?;
        let used = used.ok_or_else(spent)?;
        // Whoever read the mail has the address that it went to, which may be the user's no longer.
        if !users::verify_email(connection, used.user, &used.address).await? {
            return Err(spent());
        }
        let mut change = Change {
            user: self.user,
            verified: None,
            keep: None,
            hash: self.hash,
            event: self.event.clone(),
        };
        match change.run(connection).await {
            Err(error) if error.code() == Code::NotFound => Err(spent()),
            outcome => outcome,
        }
    }
}
