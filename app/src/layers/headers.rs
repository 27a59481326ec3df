//! Headers that every response carries.
//!
//! Owns the list. An API answers to programs: nothing of it may be framed, sniffed, cached by
//! others or followed by referrer.

use http::{HeaderMap, HeaderName, HeaderValue, header};

pub(super) fn security(hsts: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let fixed: [(HeaderName, &'static str); 6] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if hsts {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000; includeSubDomains"),
        );
    }
    headers
}

/// Adds `fixed` to an answer; what a route set itself stands.
pub(super) fn add(fixed: &HeaderMap, headers: &mut HeaderMap) {
    // Room for what follows here and further out, so that the map grows once.
    headers.reserve(16);
    for (name, value) in fixed {
        headers.entry(name).or_insert_with(|| value.clone());
    }
}
