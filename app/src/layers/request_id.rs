//! A name for each request.
//!
//! Owns [`RequestId`]: the caller's if it is well formed, else a new one; echoed in X-Request-Id.

use axum::extract::Request;
use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const MAX_BYTES: usize = 64;

/// The request's name.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// Names `request`; answers what its answer is to carry.
pub(super) fn assign(request: &mut Request) -> Option<HeaderValue> {
    let id = request
        .headers()
        .get(HEADER)
        .and_then(well_formed)
        .unwrap_or_else(|| Uuid::now_v7().to_string());
    let value = HeaderValue::from_str(&id).ok();
    request.extensions_mut().insert(RequestId(id));
    value
}

/// Puts the name on an answer.
pub(super) fn echo(id: Option<HeaderValue>, headers: &mut HeaderMap) {
    if let Some(id) = id {
        headers.insert(HEADER, id);
    }
}

// It goes into logs and headers: nothing there that could end a line or open a quote.
fn well_formed(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let good = (1..=MAX_BYTES).contains(&text.len()) && text.bytes().all(plain);
    good.then(|| text.to_owned())
}
