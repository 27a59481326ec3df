//! The Idempotency-Key of a write.
//!
//! Owns [`IdempotencyKey`] and its extractor. The header is optional; one that is there must be usable,
//! since a client that sends it relies on it.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use http::request::Parts;
use utoipa::IntoParams;

use crate::error::{Error, FieldError};

/// The header, in lower case.
pub const HEADER: &str = "idempotency-key";

/// 1 to 255 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// The text is not a key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must have 1 to 255 visible ASCII characters")]
pub struct NotAKey;

impl IdempotencyKey {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let good = (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        good.then(|| Self(text.to_owned())).ok_or(NotAKey)
    }
}

/// The header, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes what OptionalKey reads")]
pub struct KeyParam {
    /// Names this request for 24 hours: sent again, it is answered as before.
    #[param(rename = "idempotency-key", value_type = String, required = false,
        min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    idempotency_key: Option<String>,
}

/// The request's key, if it has one.
#[derive(Clone, Debug)]
pub struct OptionalKey(pub Option<IdempotencyKey>);

impl<S: Send + Sync> FromRequestParts<S> for OptionalKey {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let mut values = parts.headers.get_all(HEADER).iter();
        let Some(value) = values.next() else {
            return Ok(Self(None));
        };
        let fault = |code, detail: String| {
            Error::invalid(vec![FieldError::new(
                "#/header/idempotency-key",
                code,
                detail,
            )])
        };
        if values.next().is_some() {
            return Err(fault("duplicate", "this header is given twice".into()));
        }
        let key = value.to_str().map_err(|_| NotAKey).and_then(str::parse);
        key.map(|key| Self(Some(key)))
            .map_err(|error| fault("invalid_value", error.to_string()))
    }
}
