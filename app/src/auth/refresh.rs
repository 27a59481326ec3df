//! POST /auth/refresh.
//!
//! Owns rotation: each refresh token is good for one exchange. Within the grace, the direct parent of
//! the newest token gets that same newest token again, so that a second tab stays signed in; any
//! other second use means that somebody else has the token, and ends the session for all.

use axum::Json;
use axum::extract::State;
use erpgo_secret_set::SecretSet;
use sqlx::PgConnection;

use super::store::{self, Kept};
use super::token::{self, Claims, Issued, Kind, Subject};
use super::wire::{RefreshBody, SignedIn};
use super::{grant, revoke};
use crate::audit::{self, Action, Event};
use crate::error::{Code, Error, Result};
use crate::extract::{ApiJson, Device, Origin};
use crate::metrics::METRICS;
use crate::state::AppState;

/// What the exchange of a token comes to.
enum Exchange {
    /// The next token, stored or found.
    Next(Issued),
    /// The session is over.
    Ended,
    /// The token was used before: the session ends now.
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
    let set = state.keyring.current();
    let settings = &state.settings.auth;
    let presented = body.refresh_token.expose_secret();
    let claims = token::verify(Kind::Refresh, &set, &settings.issuer, presented)?;
    let mut tx = state.database.begin().await?;
    let commit = |error| Error::database("commit the rotation", error);
    let asked = Asked {
        claims: &claims,
        presented,
        device: &device,
    };
    match exchange(&mut tx, &state, &set, asked).await? {
        Exchange::Next(next) => {
            let answer = grant::answer(&mut tx, &set, settings, next).await?;
            tx.commit().await.map_err(commit)?;
            Ok(Json(answer))
        }
        Exchange::Ended => {
            let undone = tx.rollback().await;
            undone.map_err(|error| Error::database("leave a session that has ended", error))?;
            Err(Error::refused(Code::TokenRevoked, "sign in again"))
        }
        Exchange::Reused => {
            revoke::session(&mut tx, claims.sub, claims.sid, revoke::Reason::Reuse).await?;
            // Whose address this is nobody knows: perhaps the thief's.
            let event = Event::of(Action::RefreshReused, &origin)
                .by(claims.sub)
                .on("session", claims.sid)
                .refused();
            audit::record(&mut tx, &event).await?;
            tx.commit().await.map_err(commit)?;
            state.sessions.changed(&[claims.sub]).await;
            METRICS
                .token_validations
                .with_label_values(&["reused"])
                .inc();
            tracing::warn!(user_id = %claims.sub, session_id = %claims.sid, "a refresh token was used twice; the session is ended");
            Err(Error::refused(Code::TokenReused, "sign in again"))
        }
    }
}

/// What is presented, and from where.
#[derive(Clone, Copy)]
struct Asked<'a> {
    claims: &'a Claims,
    presented: &'a str,
    device: &'a Device,
}

async fn exchange(
    connection: &mut PgConnection,
    state: &AppState,
    set: &SecretSet,
    asked: Asked<'_>,
) -> Result<Exchange> {
    let claims = asked.claims;
    if !store::lock(connection, claims).await? {
        return Ok(Exchange::Ended);
    }
    let Some(kept) = store::token(connection, claims.jti).await? else {
        return Ok(Exchange::Ended);
    };
    if kept.token_hash != store::digest(asked.presented) {
        return Ok(Exchange::Ended);
    }
    if let Some(used_ago) = kept.used_ago {
        return again(connection, state, set, claims, used_ago).await;
    }
    let subject = Subject {
        user: claims.sub,
        session: claims.sid,
    };
    let next = grant::refresh(set, &state.settings.auth, subject)?;
    store::advance(connection, kept.id, &next.claims, asked.device).await?;
    store::keep(connection, &next, Some(kept.id)).await?;
    Ok(Exchange::Next(next))
}

/// A token that was used so many seconds ago.
async fn again(
    connection: &mut PgConnection,
    state: &AppState,
    set: &SecretSet,
    claims: &Claims,
    used_ago: f64,
) -> Result<Exchange> {
    let within = used_ago <= state.settings.auth.refresh_grace.as_secs_f64();
    let successor = store::successor(connection, claims.jti).await?;
    match successor {
        Some(newest) if within && newest.used_ago.is_none() => same(set, claims, newest),
        _ => Ok(Exchange::Reused),
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
