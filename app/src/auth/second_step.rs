//! POST /auth/login/second-factor.
//!
//! Owns the second half of a sign-in. Its failures count with those of the password: five in all lock, so
//! that who has the password cannot guess the code.

use axum::Json;
use axum::extract::State;
use erpgo_secret_set::{Secret, SecretSet};
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::challenge;
use super::failure::{Failure, Step};
use super::grant::{self, Client, Holder};
use super::tally::Refused;
use super::token::TokenError;
use super::tried::Tried;
use super::unattended;
use super::wire::SignedIn;
use crate::config::AuthSettings;
use crate::error::{Code, Error, Result};
use crate::extract::{ApiJson, Device, Origin};
use crate::limits::Identifier;
use crate::second_factor;
use crate::state::AppState;
use crate::tx::{self, Work};
use crate::users::UserId;
use crate::users::store::{self as users, Contact};

/// What the first half answered, and a code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecondStep {
    #[schema(value_type = String, format = Password, example = "k3Vd80Lx…", max_length = 100)]
    challenge_token: Secret,
    /// Six digits from the authenticator app, or a recovery code.
    #[schema(value_type = String, format = Password, example = "123456", max_length = 50)]
    code: Secret,
}

/// Finish a sign-in with your second factor.
#[utoipa::path(post, path = "/auth/login/second-factor", tag = "auth", request_body = SecondStep,
    responses((status = 200, description = "Signed in", body = SignedIn)))]
pub(super) async fn login_second_factor(
    State(state): State<AppState>,
    device: Device,
    origin: Origin,
    ApiJson(body): ApiJson<SecondStep>,
) -> Result<Json<SignedIn>> {
    // Whose challenge it is, is not looked up for whoever has had their share.
    let admitted = state.logins.admit("second-factor", origin.ip, None).await;
    admitted.inspect_err(|_| {
        Tried::RateLimited.count();
        state.refusals.note(Refused::SecondFactor, &origin);
    })?;
    let contact = contact(&state, &body).await;
    let trial = Trial {
        contact: contact.inspect_err(unfinished)?,
        device,
        origin,
        body,
    };
    unattended::run(attempt(state, trial)).await
}

/// Whose challenge it is.
async fn contact(state: &AppState, body: &SecondStep) -> Result<Contact> {
    let mut connection = state.database.acquire().await?;
    let token = body.challenge_token.expose_secret();
    let user = challenge::find(&mut connection, token).await?;
    let user = user.ok_or(TokenError::Invalid)?;
    let contact = users::contact(&mut connection, user).await?;
    contact.ok_or_else(|| TokenError::Invalid.into())
}

/// Counts a try that came to no end. One at a challenge that is over, or never was, is a try at nobody.
fn unfinished(error: &Error) {
    if error.code() != Code::TokenInvalid {
        Tried::Error.count();
    }
}

/// A code, whose it is to be, and where it comes from.
struct Trial {
    contact: Contact,
    device: Device,
    origin: Origin,
    body: SecondStep,
}

/// All that follows from an attempt, from its count on.
async fn attempt(state: AppState, trial: Trial) -> Result<Json<SignedIn>> {
    let contact = &trial.contact;
    let identifier = Identifier::of(&contact.email);
    let attempt = state.logins.attempt(&identifier).await;
    let finished = if attempt.allowed {
        let limit = state.settings.http.request_timeout;
        unattended::in_time(limit, finish(&state, &trial)).await
    } else {
        Ok(None)
    };
    match finished {
        Ok(Some(answer)) => {
            state.logins.forgive(&identifier).await;
            Tried::Success.count();
            tracing::info!(user_id = %contact.id, "signed in with a second factor");
            Ok(Json(answer))
        }
        Ok(None) => {
            let failure = Failure {
                step: Step::SecondFactor,
                typed: &contact.email,
                owner: Some(contact.id),
                attempt,
                origin: &trial.origin,
            };
            failure.tell(&state).await?;
            Err(failure.refusal(
                "the code is wrong or was used; after too many failures sign-in opens again at unlock_at",
            ))
        }
        Err(error) => {
            state.logins.release(&identifier, attempt).await;
            unfinished(&error);
            Err(error)
        }
    }
}

/// The answer to a code that is right.
async fn finish(state: &AppState, trial: &Trial) -> Result<Option<SignedIn>> {
    let set = state.keyring.current();
    let work = Finish {
        user: trial.contact.id,
        token: trial.body.challenge_token.expose_secret(),
        code: trial.body.code.expose_secret(),
        set: &set,
        settings: &state.settings.auth,
        client: Client {
            device: &trial.device,
            origin: &trial.origin,
        },
    };
    tx::transaction(&state.database, "finish a sign-in", work).await
}

/// The code, the challenge and the session: all or none.
struct Finish<'a> {
    user: UserId,
    token: &'a str,
    code: &'a str,
    set: &'a SecretSet,
    settings: &'a AuthSettings,
    client: Client<'a>,
}

impl Work<Option<SignedIn>> for Finish<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<Option<SignedIn>> {
        if !second_factor::check(connection, self.user, self.code).await? {
            return Ok(None);
        }
        if !challenge::close(connection, self.token).await? {
            // Somebody else has finished it: the code is not used up.
            return Err(TokenError::Invalid.into());
        }
        let holder = Holder {
            user: self.user,
            verified: None,
        };
        let opened = grant::session(connection, self.set, self.settings, holder, self.client);
        match opened.await? {
            Some(answer) => Ok(Some(answer)),
            // Somebody has barred them meanwhile.
            None => Err(TokenError::Invalid.into()),
        }
    }
}
