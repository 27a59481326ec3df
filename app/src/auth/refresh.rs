//! POST /auth/refresh.
//!
//! Owns rotation: each refresh token is good for one exchange. Within the grace, the direct parent of
//! the newest token gets that same newest token again, so that a second tab stays signed in; any
//! other second use means that somebody else has the token, and ends the session for all.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::Json;
use axum::extract::State;
use erpgo_secret_set::SecretSet;
use sqlx::PgConnection;

use super::store::{self, Kept};
use super::tally::Pass;
use super::token::{self, Claims, Issued, Kind, Subject};
use super::wire::{RefreshBody, SignedIn};
use super::{grant, revoke};
use crate::audit::{self, Action, Event};
use crate::config::AuthSettings;
use crate::error::{Code, Error, Result};
use crate::extract::{ApiJson, Device, Origin};
use crate::metrics::METRICS;
use crate::state::AppState;
use crate::tx::{self, Work};

/// What the exchange of a token comes to.
enum Exchange {
    /// The next token, stored or found.
    Next(Issued),
    /// The session is over.
    Ended,
    /// The token was used before: the session is to end.
    Reused,
}

/// Exchange a refresh token for the next pair.
#[utoipa::path(post, path = "/auth/refresh", tag = "auth", request_body = RefreshBody,
    responses((status = 200, description = "The next pair of tokens", body = SignedIn)))]
pub(super) async fn refresh(
    origin: Origin,
    State(state): State<AppState>,
    device: Device,
    ApiJson(body): ApiJson<RefreshBody>,
) -> Result<Json<SignedIn>> {
    let presented = body.refresh_token.expose_secret();
    let exchanged = exchanged(&state, presented, &device, &origin).await;
    exchanged
        .map(Json)
        .inspect_err(|error| state.refusals.heed(Pass::RefreshToken, error, &origin))
}

/// The next pair for the token that is `presented`.
async fn exchanged(
    state: &AppState,
    presented: &str,
    device: &Device,
    origin: &Origin,
) -> Result<SignedIn> {
    let set = state.keyring.current();
    let settings = &state.settings.auth;
    let claims = token::verify(Kind::Refresh, &set, &settings.issuer, presented)?;
    let seen = AtomicBool::new(false);
    let work = Rotate {
        set: &set,
        settings,
        claims: &claims,
        presented,
        device,
        origin,
        reused: &seen,
    };
    match tx::transaction(&state.database, "exchange a refresh token", work).await {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err(reused(state, &claims).await),
        Err(error) => {
            if seen.load(Ordering::Relaxed) {
                tracing::warn!(user_id = %claims.sub, session_id = %claims.sid, "a refresh token was used twice; the session could not be ended");
            }
            Err(error)
        }
    }
}

/// Tells of the end of the session, once it is committed. First what is counted and logged: a client that hangs up
/// ends all of this at the next wait.
async fn reused(state: &AppState, claims: &Claims) -> Error {
    METRICS
        .token_validations
        .with_label_values(&["reused"])
        .inc();
    tracing::warn!(user_id = %claims.sub, session_id = %claims.sid, "a refresh token was used twice; the session is ended");
    state.sessions.changed(&[claims.sub]).await;
    Error::refused(Code::TokenReused, "sign in again")
}

/// What is presented, from where, and what it takes to answer.
struct Rotate<'a> {
    set: &'a SecretSet,
    settings: &'a AuthSettings,
    claims: &'a Claims,
    presented: &'a str,
    device: &'a Device,
    origin: &'a Origin,
    /// Whether the last try that found anything out found a second use: told even if no try can be committed.
    reused: &'a AtomicBool,
}

/// The next pair; none when the token was used before. That is no error here: an error would roll back
/// the end of the session.
impl Work<Option<SignedIn>> for Rotate<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<Option<SignedIn>> {
        let exchange = self.exchange(connection).await?;
        let reused = matches!(exchange, Exchange::Reused);
        self.reused.store(reused, Ordering::Relaxed);
        match exchange {
            Exchange::Next(next) => grant::answer(connection, self.set, self.settings, next)
                .await
                .map(Some),
            Exchange::Ended => Err(Error::refused(Code::TokenRevoked, "sign in again")),
            Exchange::Reused => self.end(connection).await.map(|()| None),
        }
    }
}

impl Rotate<'_> {
    async fn exchange(&self, connection: &mut PgConnection) -> Result<Exchange> {
        let claims = self.claims;
        if !store::lock(connection, claims).await? {
            return Ok(Exchange::Ended);
        }
        let Some(kept) = store::token(connection, claims.jti).await? else {
            return Ok(Exchange::Ended);
        };
        if kept.token_hash != store::digest(self.presented) {
            return Ok(Exchange::Ended);
        }
        if let Some(used_ago) = kept.used_ago {
            return self.again(connection, used_ago).await;
        }
        let subject = Subject {
            user: claims.sub,
            session: claims.sid,
        };
        let next = grant::refresh(self.set, self.settings, subject)?;
        store::advance(connection, kept.id, &next.claims, self.device).await?;
        store::keep(connection, &next, Some(kept.id)).await?;
        Ok(Exchange::Next(next))
    }

    /// A token that was used so many seconds ago.
    async fn again(&self, connection: &mut PgConnection, used_ago: f64) -> Result<Exchange> {
        let within = used_ago <= self.settings.refresh_grace.as_secs_f64();
        let successor = store::successor(connection, self.claims.jti).await?;
        match successor {
            Some(newest) if within && newest.used_ago.is_none() => {
                same(self.set, self.claims, newest)
            }
            _ => Ok(Exchange::Reused),
        }
    }

    async fn end(&self, connection: &mut PgConnection) -> Result<()> {
        let Claims { sub, sid, .. } = *self.claims;
        revoke::session(connection, sub, sid, revoke::Reason::Reuse).await?;
        // Whose address this is nobody knows: perhaps the thief's.
        let event = Event::of(Action::RefreshReused, self.origin)
            .by(sub)
            .on("session", sid)
            .refused();
        audit::record(connection, &event).await
    }
}

/// The successor once more, signed again from what is kept of it: the token itself is not stored.
fn same(set: &SecretSet, claims: &Claims, newest: Kept) -> Result<Exchange> {
    let renewed = Claims {
        jti: newest.id,
        iat: newest.issued_at.as_second(),
        exp: newest.expires_at.as_second(),
        ..claims.clone()
    };
    let issued = token::reissue(Kind::Refresh, set, &newest.kid, renewed)?;
    Ok(match issued {
        Some(issued) if store::digest(&issued.token) == newest.token_hash => Exchange::Next(issued),
        // Its key was retired within these seconds: the session cannot go on.
        _ => Exchange::Ended,
    })
}
