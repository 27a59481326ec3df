//! POST /auth/login.
//!
//! Owns the order that keeps the answer uniform: is there room for a hash, count, look up, always hash
//! once, then decide. What is counted is seen through, though its client hangs up. Unknown, wrong and locked
//! differ neither in body nor in the work that is done. Only who has typed a right password is looked at again,
//! if it was changed before the session is there.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use erpgo_secret_set::SecretSet;
use http::StatusCode;
use sqlx::PgConnection;

use super::challenge::{self, Challenge};
use super::decoy;
use super::failure::{Failure, Step};
use super::grant::{self, Client, Holder};
use super::hash::{StoredHash, Verdict};
use super::store::{self, Credentials, Found};
use super::tally::Refused;
use super::tried::Tried;
use super::unattended;
use super::wire::{LoginBody, SignedIn};
use crate::config::AuthSettings;
use crate::error::Result;
use crate::extract::{ApiJson, Device, Origin};
use crate::limits::{Attempt, Identifier};
use crate::state::AppState;
use crate::tx::{self, Work};
use crate::users::UserId;

/// How often a hash may be another than the one that was verified: a better one of the same password takes its
/// place once, and nobody changes passwords faster than they are verified.
const LOOKS: usize = 3;

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
    let room = state.hasher.has_room();
    room.inspect_err(|_| Tried::Error.count())?;
    admit(&state, &origin, &body.email).await?;
    unattended::run(attempt(state, device, origin, body)).await
}

/// All that follows from an attempt, from its count on.
async fn attempt(
    state: AppState,
    device: Device,
    origin: Origin,
    body: LoginBody,
) -> Result<Response> {
    let identifier = Identifier::of(&body.email);
    let attempt = state.logins.attempt(&identifier).await;
    let client = Client {
        device: &device,
        origin: &origin,
    };
    let limit = state.settings.http.request_timeout;
    let signed_in = unattended::in_time(limit, sign_in(&state, &body, attempt, client));
    match signed_in.await {
        Ok(Outcome::Whole(answer)) => {
            state.logins.forgive(&identifier).await;
            Tried::Success.count();
            Ok(answer)
        }
        // No failure; those before it stay counted until the second factor is right, too.
        Ok(Outcome::Half(challenge)) => {
            state.logins.release(&identifier, attempt).await;
            Tried::Challenged.count();
            Ok(challenge)
        }
        Ok(Outcome::Refused(owner)) => {
            let failure = Failure {
                step: Step::Password,
                typed: &body.email,
                owner,
                attempt,
                origin: &origin,
            };
            failure.tell(&state).await?;
            Err(failure.refusal(
                "e-mail or password is wrong; after too many failures sign-in opens again at unlock_at",
            ))
        }
        // Nothing was found out: the attempt does not count against the user.
        Err(error) => {
            state.logins.release(&identifier, attempt).await;
            Tried::Error.count();
            Err(error)
        }
    }
}

/// What a sign-in comes to.
enum Outcome {
    Whole(Response),
    Half(Response),
    /// As [`Decision::Refused`].
    Refused(Option<UserId>),
}

/// Decides, and again while the hash that was verified is another by the time the session opens: the password
/// was changed, which has ended all sessions that there were, or was only hashed better.
async fn sign_in(
    state: &AppState,
    body: &LoginBody,
    attempt: Attempt,
    client: Client<'_>,
) -> Result<Outcome> {
    let mut last = None;
    for _ in 0..LOOKS {
        let known = match decide(state, body, attempt).await? {
            Decision::Known(known) => known,
            Decision::Refused(owner) => return Ok(Outcome::Refused(owner)),
        };
        let opened = if known.credentials.second_factor {
            half(state, &known).await?
        } else {
            open(state, &known, client).await?
        };
        if let Some(outcome) = opened {
            return Ok(outcome);
        }
        last = Some(known.credentials.user);
    }
    Ok(Outcome::Refused(last))
}

async fn admit(state: &AppState, origin: &Origin, typed: &str) -> Result<()> {
    let admitted = state.logins.admit("login", origin.ip, Some(typed)).await;
    admitted.inspect_err(|_| {
        Tried::RateLimited.count();
        state.refusals.note(Refused::SignIn, origin);
    })
}

/// Whoever has signed in, with a better hash to store if there is one.
struct Known {
    credentials: Credentials,
    fresh: Option<StoredHash>,
}

impl Known {
    /// Stores the better hash; it was computed before, so that a transaction that runs again costs no other.
    async fn rehash(&self, connection: &mut PgConnection) -> Result<()> {
        let Credentials { user, hash, .. } = &self.credentials;
        match &self.fresh {
            Some(fresh) => store::rehash(connection, *user, hash, fresh).await,
            None => Ok(()),
        }
    }

    /// The hash that there is after that, unless somebody has put another in its place.
    fn verified(&self) -> &StoredHash {
        self.fresh.as_ref().unwrap_or(&self.credentials.hash)
    }
}

enum Decision {
    Known(Known),
    /// Whose e-mail was typed, if anybody's: for the audit log, never for the answer.
    Refused(Option<UserId>),
}

async fn decide(state: &AppState, body: &LoginBody, attempt: Attempt) -> Result<Decision> {
    let set = state.keyring.current();
    let Found { known, double } = {
        let mut connection = state.database.acquire().await?;
        let place = decoy::place(&set, &Identifier::of(&body.email));
        let found = store::credentials(&mut connection, body.email.trim(), &place).await?;
        // Nothing waits in the pool for the hash below.
        connection.done();
        found
    };
    let owner = known.as_ref().map(|known| known.user);
    let like = known.as_ref().map(|known| &known.hash).or(double.as_ref());
    let decoy = like.and_then(StoredHash::decoy);
    let credentials = known.filter(|known| known.is_active && attempt.allowed);
    let stored = credentials.as_ref().map(|known| known.hash.clone());
    let verdict = state
        .hasher
        .verify(set, body.password.duplicate(), stored.or(decoy))
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

/// The password was right: a challenge in place of a session.
async fn half(state: &AppState, known: &Known) -> Result<Option<Outcome>> {
    let work = Half { known };
    let Some(challenge) = tx::transaction(&state.database, "begin a sign-in", work).await? else {
        return Ok(None);
    };
    let answer = (StatusCode::ACCEPTED, Json(challenge)).into_response();
    Ok(Some(Outcome::Half(answer)))
}

async fn open(state: &AppState, known: &Known, client: Client<'_>) -> Result<Option<Outcome>> {
    let set = state.keyring.current();
    let work = Whole {
        known,
        set: &set,
        settings: &state.settings.auth,
        client,
    };
    let Some(answer) = tx::transaction(&state.database, "sign in", work).await? else {
        return Ok(None);
    };
    tracing::info!(user_id = %known.credentials.user, "signed in");
    Ok(Some(Outcome::Whole(Json(answer).into_response())))
}

struct Half<'a> {
    known: &'a Known,
}

impl Work<Option<Challenge>> for Half<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<Option<Challenge>> {
        self.known.rehash(connection).await?;
        let user = self.known.credentials.user;
        challenge::open(connection, user, self.known.verified()).await
    }
}

struct Whole<'a> {
    known: &'a Known,
    set: &'a SecretSet,
    settings: &'a AuthSettings,
    client: Client<'a>,
}

impl Work<Option<SignedIn>> for Whole<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<Option<SignedIn>> {
        self.known.rehash(connection).await?;
        let holder = Holder {
            user: self.known.credentials.user,
            verified: Some(self.known.verified()),
        };
        grant::session(connection, self.set, self.settings, holder, self.client).await
    }
}
