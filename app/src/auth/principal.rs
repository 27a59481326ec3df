//! Who calls, and whether they may.
//!
//! Owns [`Principal`], [`Authenticated`], [`Authorized`] and [`InPerson`]. A handler that takes one of them cannot
//! run without it: the requirement is in its parameter list.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;

use super::sessions::Grant;
use super::tally::Pass;
use super::token::{self, Kind, TokenError};
use crate::api_keys::{self, ApiKeyId, Presented};
use crate::error::{Code, Error};
use crate::extract::Origin;
use crate::layers::Scope;
use crate::limits::Subject;
use crate::metrics::METRICS;
use crate::roles::permission::{PermissionSet, Required};
use crate::state::AppState;
use crate::users::{SessionId, UserId};

/// What a caller presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The access token of a sign-in.
    Session(SessionId),
    /// An API key.
    ApiKey(ApiKeyId),
}

/// The caller.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Who.
    pub user: UserId,
    /// By what.
    pub credential: Credential,
    grant: Arc<Grant>,
}

impl Principal {
    /// What the caller may do.
    #[must_use]
    pub fn permissions(&self) -> &PermissionSet {
        &self.grant.permissions
    }

    /// The caller's sign-in: what concerns the account itself is not done with an API key.
    ///
    /// # Errors
    /// INSUFFICIENT_SCOPE when it is one.
    pub fn in_person(&self) -> Result<SessionId, Error> {
        match self.credential {
            Credential::Session(session) => Ok(session),
            Credential::ApiKey(_) => Err(Error::refused(
                Code::InsufficientScope,
                "this takes a sign-in; no API key reaches that far",
            )),
        }
    }

    fn lacks(&self, permission: &str) -> Error {
        if self.grant.owner_allows(permission) {
            Error::refused(
                Code::InsufficientScope,
                format!("use an API key with the scope {permission}"),
            )
        } else {
            Error::refused(
                Code::Forbidden,
                format!("ask for a role with the permission {permission}"),
            )
        }
    }
}

/// A caller with a live session, whatever they may do.
#[derive(Clone, Debug)]
pub struct Authenticated(pub Principal);

/// A caller with a live session and the permission `P`.
#[derive(Clone, Debug)]
pub struct Authorized<P> {
    /// The caller.
    pub principal: Principal,
    permission: PhantomData<P>,
}

/// A caller who signed in: what concerns the account itself is not done with an API key.
#[derive(Clone, Debug)]
pub struct InPerson {
    /// The caller.
    pub principal: Principal,
    /// The sign-in.
    pub session: SessionId,
}

impl FromRequestParts<AppState> for InPerson {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let Authenticated(principal) = Authenticated::from_request_parts(parts, state).await?;
        let session = principal.in_person()?;
        Ok(Self { principal, session })
    }
}

impl FromRequestParts<AppState> for Authenticated {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let outcome = authenticate(parts, state).await;
        note(&outcome);
        if let Err(error) = &outcome {
            tell(parts, state, error).await;
        }
        let principal = outcome?;
        // Routes outside the layers, if there were any, would have no class and no limit.
        if let Some(scope) = parts.extensions.get::<Scope>().cloned() {
            scope.count(state, Subject::User(principal.user)).await?;
        }
        Ok(Self(principal))
    }
}

fn note(outcome: &Result<Principal, Error>) {
    let result = match outcome {
        Ok(_) => "ok",
        Err(error) => label(error.code()),
    };
    METRICS.token_validations.with_label_values(&[result]).inc();
}

/// Tells of what was presented and is refused.
async fn tell(parts: &mut Parts, state: &AppState, error: &Error) {
    let Ok(token) = bearer(parts) else { return };
    let pass = if token.starts_with(api_keys::PREFIX) {
        Pass::ApiKey
    } else {
        Pass::AccessToken
    };
    if let Ok(origin) = Origin::from_request_parts(parts, state).await {
        state.refusals.heed(pass, error, &origin);
    }
}

impl<P: Required> FromRequestParts<AppState> for Authorized<P> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let Authenticated(principal) = Authenticated::from_request_parts(parts, state).await?;
        if !principal.permissions().allows(P::NAME) {
            return Err(principal.lacks(P::NAME));
        }
        Ok(Self {
            principal,
            permission: PhantomData,
        })
    }
}

async fn authenticate(parts: &Parts, state: &AppState) -> Result<Principal, Error> {
    let token = bearer(parts)?;
    if token.starts_with(api_keys::PREFIX) {
        return by_key(token, state).await;
    }
    let set = state.keyring.current();
    let claims = token::verify(Kind::Access, &set, &state.settings.auth.issuer, token)?;
    let grant = state.sessions.grant(&claims).await?;
    tracing::Span::current().record("user_id", tracing::field::display(claims.sub));
    Ok(Principal {
        user: claims.sub,
        credential: Credential::Session(claims.sid),
        grant,
    })
}

async fn by_key(text: &str, state: &AppState) -> Result<Principal, Error> {
    let presented = Presented::parse(text).map_err(|_| TokenError::Invalid)?;
    let grant = state.sessions.grant_by_key(&presented).await?;
    let key = grant.key().ok_or(TokenError::Invalid)?;
    tracing::Span::current().record("user_id", tracing::field::display(grant.user));
    Ok(Principal {
        user: grant.user,
        credential: Credential::ApiKey(key),
        grant,
    })
}

fn bearer(parts: &Parts) -> Result<&str, Error> {
    let missing = || {
        Error::refused(
            Code::Unauthorized,
            "send the header authorization: Bearer <access token>",
        )
    };
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(missing());
    };
    let text = value.to_str().map_err(|_| missing())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() {
        Ok(token.trim())
    } else {
        Err(missing())
    }
}

fn label(code: Code) -> &'static str {
    match code {
        Code::Unauthorized => "missing",
        Code::TokenExpired => "expired",
        Code::TokenRevoked => "revoked",
        Code::TokenInvalid => "invalid",
        _ => "error",
    }
}
