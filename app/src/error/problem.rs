//! The shape in which every problem leaves (RFC 9457).
//!
//! Owns [`Problem`] and [`ProblemSeed`]. A seed is what a handler knows; the outermost layer adds
//! what the request knows (request id, trace id, path) and only then writes the body, so that no
//! problem can leave without them.

use std::borrow::Cow;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Code, Refusal};

/// `application/problem+json`, with the members that this API adds.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// URI reference of the class of problem.
    #[schema(example = "/problems/validation-error")]
    pub r#type: String,
    /// The same short sentence for every occurrence of `code`.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
    /// What to do about this occurrence.
    pub detail: Cow<'static, str>,
    /// Path of the request.
    pub instance: String,
    /// Machine-readable class.
    pub code: Code,
    /// Names the request in our logs; quote it to support.
    pub request_id: String,
    /// Names the request in the traces.
    pub trace_id: String,
    /// Each field at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Refused sign-ins only: if this account's sign-in is paused, it opens at this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlock_at: Option<jiff::Timestamp>,
}

/// One field at fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer into the body (`#/email`), or `#/query/…`, `#/path/…`, `#/header/…`.
    pub pointer: String,
    /// Machine-readable rule.
    #[schema(value_type = String, example = "too_short")]
    pub code: &'static str,
    /// The rule in words.
    pub detail: Cow<'static, str>,
}

impl FieldError {
    /// The rule `code` is broken at `pointer`.
    pub fn new(
        pointer: impl Into<String>,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            code,
            detail: detail.into(),
        }
    }
}

/// A problem that does not yet know its request.
#[derive(Clone, Debug)]
pub struct ProblemSeed {
    /// Machine-readable class.
    pub code: Code,
    /// What to do about it.
    pub detail: Cow<'static, str>,
    /// Each field at fault.
    pub errors: Vec<FieldError>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// When a paused sign-in opens.
    pub unlock_at: Option<jiff::Timestamp>,
}

impl ProblemSeed {
    /// A problem of which there is no more to say.
    #[must_use]
    pub const fn plain(code: Code, detail: &'static str) -> Self {
        Self {
            code,
            detail: Cow::Borrowed(detail),
            errors: Vec::new(),
            retry_after: None,
            unlock_at: None,
        }
    }

    /// The whole problem, once the request is known.
    #[must_use]
    pub fn complete(self, instance: String, request_id: String, trace_id: String) -> Problem {
        let slug = self.code.as_str().to_ascii_lowercase().replace('_', "-");
        Problem {
            r#type: format!("/problems/{slug}"),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: self.detail,
            instance,
            code: self.code,
            request_id,
            trace_id,
            errors: self.errors,
            unlock_at: self.unlock_at,
        }
    }
}

impl From<Refusal> for ProblemSeed {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code,
            detail: refusal.detail,
            errors: refusal.fields,
            retry_after: refusal.retry_after,
            unlock_at: refusal.unlock_at,
        }
    }
}

impl IntoResponse for ProblemSeed {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        let headers = response.headers_mut();
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs_f64().ceil().max(1.0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds as u64));
        }
        if let Some(challenge) = challenge(self.code) {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(challenge),
            );
        }
        response.extensions_mut().insert(self);
        response
    }
}

// RFC 6750 §3.
fn challenge(code: Code) -> Option<&'static str> {
    match code {
        Code::Unauthorized | Code::InvalidCredentials => Some("Bearer"),
        Code::TokenExpired | Code::TokenInvalid | Code::TokenRevoked | Code::TokenReused => {
            Some("Bearer error=\"invalid_token\"")
        }
        Code::Forbidden | Code::InsufficientScope => Some("Bearer error=\"insufficient_scope\""),
        _ => None,
    }
}
