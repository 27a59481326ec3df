//! The few kinds of answer there are.
//!
//! Owns their shape: JSON, or text for Prometheus; never cached; a refusal says what to do.

use std::borrow::Cow;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

pub(super) type Answer = Response<Full<Bytes>>;

/// Why a request is not served, and with which status.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    reason: Cow<'static, str>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, reason: impl Into<Cow<'static, str>>) -> Self {
        let reason = reason.into();
        Self { status, reason }
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing here")
    }

    pub(super) fn wrong_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "this path takes another method",
        )
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        json(
            refusal.status,
            &Problem {
                error: &refusal.reason,
            },
        )
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    error: &'a str,
}

pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    // Serialising numbers and strings into memory has no failing case.
    let text = serde_json::to_vec(value).unwrap_or_default();
    answer(status, "application/json", text)
}

pub(super) fn metrics(text: String) -> Answer {
    answer(
        StatusCode::OK,
        "text/plain; version=0.0.4",
        text.into_bytes(),
    )
}

pub(super) fn empty() -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

fn answer(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Answer {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
