//! POST /auth/login.
//!
//! Owns the order that keeps the answer uniform: is there room for a hash, count, look up, always hash
//! once, then decide. Unknown, wrong and locked differ neither in body nor in the work that is done.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;

use super::challenge::{self, Challenge};
use super::grant::{self, Client};
use super::hash::{StoredHash, Verdict};
use super::store::{self, Credentials};
use super::wire::{LoginBody, SignedIn};
use crate::audit::{self, Action, Event};
use crate::error::{Code, Error, Result};
use crate::extract::{ApiJson, Device, Origin};
use crate::limits::{Attempt, Identifier};
use crate::mail::{self, Message, To};
use crate::metrics::METRICS;
use crate::state::AppState;
use crate::users::UserId;

/// Sign in.
#[utoipa::path(post, path = "/auth/login", tag = "auth", request_body = LoginBody,
    responses(
        (status = 200, description = "Signed in", body = SignedIn),
        (status = 202, description = "The password is right; the second factor is needed, too", body = Challenge)))]
pub(super) async fn login(
    State(state): State<AppState>,
    device: Device,
    origin: Origin,
    ApiJson(body): ApiJson<LoginBody>,
) -> Result<Response> {
    body.check()?;
    state.hasher.has_room().inspect_err(|_| count("error"))?;
    admit(&state, &origin, &body.email).await?;
    let identifier = Identifier::of(&body.email);
    let attempt = state.logins.attempt(&identifier).await;
    let outcome = decide(&state, &body, attempt).await;
    match outcome {
        // The failures stay counted until the second factor is right, too.
        Ok(Decision::Known(known)) if known.credentials.second_factor => half(&state, &known).await,
        Ok(Decision::Known(known)) => {
            state.logins.forgive(&identifier).await;
            count("success");
            let client = Client {
                device: &device,
                origin: &origin,
            };
            let answer = open(&state, &known, client).await?;
            Ok(Json(answer).into_response())
        }
        Ok(Decision::Refused(owner)) => {
            let refused = Refused {
                typed: &body.email,
                owner,
                attempt,
            };
            refused.note(&state, &origin).await?;
            if attempt.last {
                notify(&state, origin.ip, &body.email, attempt).await;
            }
            Err(refused.tell(&origin))
        }
        // Nothing was found out: the attempt does not count against the user.
        Err(error) => {
            state.logins.release(&identifier).await;
            count("error");
            Err(error)
        }
    }
}

fn count(result: &str) {
    METRICS.auth_attempts.with_label_values(&[result]).inc();
}

async fn admit(state: &AppState, origin: &Origin, typed: &str) -> Result<()> {
    let admitted = state.logins.admit("login", origin.ip, Some(typed)).await;
    admitted.inspect_err(|_| count("rate_limited"))
}

/// Whoever has signed in, with a better hash to store if there is one.
struct Known {
    credentials: Credentials,
    fresh: Option<StoredHash>,
}

enum Decision {
    Known(Known),
    /// Whose e-mail was typed, if anybody's: for the audit log, never for the answer.
    Refused(Option<UserId>),
}

async fn decide(state: &AppState, body: &LoginBody, attempt: Attempt) -> Result<Decision> {
    let found = {
        let mut connection = state.database.acquire().await?;
        let found = store::credentials(&mut connection, body.email.trim()).await?;
        // Nothing waits in the pool for the hash below.
        connection.done();
        found
    };
    let owner = found.as_ref().map(|found| found.user);
    let credentials = found.filter(|found| found.is_active && attempt.allowed);
    let stored = credentials.as_ref().map(|found| found.hash.clone());
    let set = state.keyring.current();
    let verdict = state
        .hasher
        .verify(set, body.password.duplicate(), stored)
        .await?;
    let fresh = match verdict {
        Verdict::Wrong => return Ok(Decision::Refused(owner)),
        Verdict::Right => None,
        Verdict::RightAndStale(fresh) => Some(fresh),
    };
    Ok(match credentials {
        Some(credentials) => Decision::Known(Known { credentials, fresh }),
        None => Decision::Refused(owner),
    })
}

/// Tells the owner of a lock (R5.5). Whether there is one is found out when the mail is sent: what is
/// done here is the same for every name.
pub(super) async fn notify(state: &AppState, ip: IpAddr, typed: &str, attempt: Attempt) {
    let message = Message::Lockout {
        unlock_at: attempt.unlock_at,
        address: ip.to_canonical().to_string(),
    };
    let written = async {
        let mut connection = state.database.acquire_in_turn().await?;
        mail::enqueue(&mut connection, To::Whoever(typed.trim()), &message).await
    };
    if let Err(error) = written.await {
        tracing::warn!(error = %erpgo_telemetry::chain(&error), "the notice of a lock could not be written");
    }
}

/// A sign-in that came to nothing.
struct Refused<'a> {
    typed: &'a str,
    owner: Option<UserId>,
    attempt: Attempt,
}

impl Refused<'_> {
    /// Into the audit log: the same work for unknown, wrong and locked.
    async fn note(&self, state: &AppState, origin: &Origin) -> Result<()> {
        let locked = self.attempt.last || !self.attempt.allowed;
        let action = if self.attempt.last {
            Action::Locked
        } else {
            Action::SignInFailed
        };
        let event = Event::of(action, origin)
            .claimed(self.typed, self.owner)
            .with(serde_json::json!({"locked": locked}))
            .refused();
        audit::record_alone(&state.database, &event).await
    }

    fn tell(&self, origin: &Origin) -> Error {
        let (ip, typed, attempt) = (origin.ip, self.typed, self.attempt);
        count(if attempt.allowed { "failure" } else { "locked" });
        if attempt.last {
            METRICS.lockouts.inc();
        }
        if attempt.last || !attempt.allowed {
            tracing::warn!(%ip, identifier = typed, limit = "lockout", unlock_at = %attempt.unlock_at, "sign-in is locked");
        } else {
            tracing::info!(%ip, identifier = typed, "sign-in failed");
        }
        Error::refused(
            Code::InvalidCredentials,
            "e-mail or password is wrong; after too many failures sign-in opens again at unlock_at",
        )
        .unlock_at(attempt.unlock_at)
    }
}

/// The password was right: a challenge in place of a session.
async fn half(state: &AppState, known: &Known) -> Result<Response> {
    count("challenged");
    let mut tx = state.database.begin().await?;
    if let Some(fresh) = &known.fresh {
        store::rehash(
            &mut tx,
            known.credentials.user,
            &known.credentials.hash,
            fresh,
        )
        .await?;
    }
    let challenge = challenge::open(&mut tx, known.credentials.user).await?;
    tx.commit()
        .await
        .map_err(|error| Error::database("commit the challenge", error))?;
    Ok((StatusCode::ACCEPTED, Json(challenge)).into_response())
}

async fn open(state: &AppState, known: &Known, client: Client<'_>) -> Result<SignedIn> {
    let user = known.credentials.user;
    let set = state.keyring.current();
    let mut tx = state.database.begin().await?;
    if let Some(fresh) = &known.fresh {
        store::rehash(&mut tx, user, &known.credentials.hash, fresh).await?;
    }
    let settings = &state.settings.auth;
    let answer = grant::session(&mut tx, &set, settings, user, client).await?;
    tx.commit()
        .await
        .map_err(|error| Error::database("commit the session", error))?;
    tracing::info!(user_id = %user, "signed in");
    Ok(answer)
}
