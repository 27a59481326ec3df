//! Tokens: signed by one kid, accepted by every kid of the set.
//!
//! Owns [`issue`] and [`verify`]. The algorithm is pinned to HS256; kid, typ, iss, aud and exp are
//! all required; access and refresh tokens differ in secret, aud and typ, so that one can never pass
//! for the other. No error carries a token or any part of one (I-04).

use std::time::Duration;

use erpgo_secret_set::{RotatingKey, SecretSet, Version};
use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::error::{Code, Error};
use crate::users::{SessionId, TokenId, UserId};

/// Longest text that is looked at.
const MAX_TOKEN_BYTES: usize = 2_048;

/// The two kinds of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sent with each request.
    Access,
    /// Exchanged for the next pair.
    Refresh,
}

impl Kind {
    const fn audience(self) -> &'static str {
        match self {
            Self::Access => "erpgo-api",
            Self::Refresh => "erpgo-refresh",
        }
    }

    const fn typ(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Refresh => "rt+jwt",
        }
    }

    fn key(self, set: &SecretSet) -> &RotatingKey {
        match self {
            Self::Access => &set.keys.jwt,
            Self::Refresh => &set.keys.refresh,
        }
    }
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// What it is good for.
    pub aud: String,
    /// Whose it is.
    pub sub: UserId,
    /// The sign-in that it descends from.
    pub sid: SessionId,
    /// Its own id.
    pub jti: TokenId,
    /// When it was issued, in seconds.
    pub iat: i64,
    /// When it ends, in seconds.
    pub exp: i64,
}

/// Whose token, of which sign-in.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// Whose it is.
    pub user: UserId,
    /// The sign-in that it descends from.
    pub session: SessionId,
}

/// Why a token was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was one of ours; its time is over.
    #[error("the token has expired")]
    Expired,
    /// It is not one of ours.
    #[error("the token is not valid")]
    Invalid,
}

impl From<TokenError> for Error {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Expired => {
                Self::refused(Code::TokenExpired, "refresh the session or sign in again")
            }
            TokenError::Invalid => Self::refused(Code::TokenInvalid, "sign in again"),
        }
    }
}

impl TokenError {
    /// The metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Invalid => "invalid",
        }
    }
}

/// A token and what is kept of it.
pub struct Issued {
    /// The token.
    pub token: String,
    /// What it says.
    pub claims: Claims,
    /// Which key signed it.
    pub kid: String,
}

impl Claims {
    /// Claims that begin at `now` and last for `ttl`.
    #[must_use]
    pub fn new(kind: Kind, issuer: &str, subject: Subject, now: Timestamp, ttl: Duration) -> Self {
        let ttl = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
        Self {
            iss: issuer.to_owned(),
            aud: kind.audience().to_owned(),
            sub: subject.user,
            sid: subject.session,
            jti: TokenId::new(),
            iat: now.as_second(),
            exp: now.as_second().saturating_add(ttl),
        }
    }
}

/// Signs `claims` with the current key.
///
/// # Errors
/// When the library cannot sign, which is a fault of ours.
pub fn issue(kind: Kind, set: &SecretSet, claims: Claims) -> Result<Issued, Error> {
    issue_with(kind, &kind.key(set).current, claims)
}

/// Signs `claims` with the key called `kid` if it is still accepted.
///
/// # Errors
/// As [`issue`]; none when the kid has gone.
pub fn reissue(
    kind: Kind,
    set: &SecretSet,
    kid: &str,
    claims: Claims,
) -> Result<Option<Issued>, Error> {
    match version(kind.key(set), kid) {
        Some(version) => issue_with(kind, version, claims).map(Some),
        None => Ok(None),
    }
}

fn issue_with(kind: Kind, version: &Version, claims: Claims) -> Result<Issued, Error> {
    let header = Header {
        typ: Some(kind.typ().to_owned()),
        kid: Some(version.kid.to_string()),
        ..Header::new(Algorithm::HS256)
    };
    let key = EncodingKey::from_secret(version.value.expose_secret().as_bytes());
    let token = jsonwebtoken::encode(&header, &claims, &key)
        .map_err(|error| Error::internal("sign a token", error))?;
    Ok(Issued {
        token,
        claims,
        kid: version.kid.to_string(),
    })
}

/// Checks everything about a token that can be checked without the database.
///
/// # Errors
/// [`TokenError`]; expired only when all else was right.
pub fn verify(
    kind: Kind,
    set: &SecretSet,
    issuer: &str,
    token: &str,
) -> Result<Claims, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Invalid);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
    let plain = header.alg == Algorithm::HS256
        && header.typ.as_deref() == Some(kind.typ())
        && header.crit.is_none();
    let kid = header.kid.filter(|_| plain).ok_or(TokenError::Invalid)?;
    let version = version(kind.key(set), &kid).ok_or(TokenError::Invalid)?;
    let key = DecodingKey::from_secret(version.value.expose_secret().as_bytes());
    jsonwebtoken::decode(token, &key, &rules(kind, issuer))
        .map(|data| data.claims)
        .map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => TokenError::Expired,
            _ => TokenError::Invalid,
        })
}

// A previous version whose own end has passed is refused before its removal is rolled out.
fn version<'a>(key: &'a RotatingKey, kid: &str) -> Option<&'a Version> {
    let now = Timestamp::now();
    key.versions()
        .map(|(_, version)| version)
        .find(|version| version.kid.as_str() == kid)
        .filter(|version| version.not_after.is_none_or(|end| end > now))
}

fn rules(kind: Kind, issuer: &str) -> Validation {
    let mut rules = Validation::new(Algorithm::HS256);
    rules.leeway = 0;
    rules.validate_nbf = true;
    rules.set_audience(&[kind.audience()]);
    rules.set_issuer(&[issuer]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    rules
}
