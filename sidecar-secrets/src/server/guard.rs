//! Who may ask.
//!
//! Owns the two checks: a bearer token compared in constant time, and no proxy in between. A
//! request with X-Forwarded-For came through something that can be made to fetch an address, which
//! is how a flaw in another program would reach this port.

use std::path::Path;

use hyper::header::{AUTHORIZATION, HeaderName};
use hyper::{HeaderMap, StatusCode};

use super::answer::Refusal;
use crate::config::files::read_credential;
use crate::log;

const FORWARDED: [HeaderName; 2] = [
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("forwarded"),
];

/// Refuses what came through a proxy.
pub(super) fn direct(headers: &HeaderMap) -> Result<(), Refusal> {
    if FORWARDED.iter().any(|name| headers.contains_key(name)) {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "forwarded requests are refused: connect directly",
        ));
    }
    Ok(())
}

/// Refuses who does not know the token in `file`, which is read each time.
pub(super) fn bearer(headers: &HeaderMap, file: &Path) -> Result<(), Refusal> {
    let token = read_credential(file).map_err(|error| {
        log::warn("nobody can be let in", &[("error", &log::chain(&error))]);
        Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the token file of this pod cannot be read",
        )
    })?;
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let known = match (sent.next(), sent.next()) {
        (Some(value), None) => value
            .as_bytes()
            .strip_prefix(b"Bearer ")
            .is_some_and(|sent| token.ct_eq(sent)),
        _ => false,
    };
    if known {
        Ok(())
    } else {
        Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "the bearer token is missing or wrong",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn status(values: &[&str], token: &str) -> Option<StatusCode> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, token).unwrap();
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        bearer(&headers, &file).err().map(|refusal| refusal.status)
    }

    #[test]
    fn the_exact_token_is_let_in_and_nothing_near_it() {
        assert_eq!(status(&["Bearer s3cret"], "s3cret\n"), None);
        for wrong in [
            &[][..],
            &["s3cret"],
            &["Bearer s3cre"],
            &["Bearer s3crets"],
            &["Bearer "],
            &["Basic s3cret"],
            &["Bearer s3cret", "Bearer s3cret"],
            &["bearer s3cret"],
        ] {
            assert_eq!(
                status(wrong, "s3cret\n"),
                Some(StatusCode::UNAUTHORIZED),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn an_empty_token_file_lets_nobody_in() {
        assert_eq!(
            status(&["Bearer "], ""),
            Some(StatusCode::SERVICE_UNAVAILABLE)
        );
    }

    #[test]
    fn a_forwarded_request_is_refused() {
        let mut headers = HeaderMap::new();
        assert!(direct(&headers).is_ok());
        headers.insert("x-forwarded-for", HeaderValue::from_static(""));
        assert_eq!(direct(&headers).unwrap_err().status, StatusCode::FORBIDDEN);
    }
}
