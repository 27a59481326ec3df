//! What PostgreSQL stores of a password.
//!
//! Owns [`Verifier`], which can hold nothing else. Its characters are such that it can stand between
//! quotes in a statement.

use std::path::Path;

use erpgo_secret_set::Secret;

use crate::credentials::{CredentialsError, read};

/// `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`.
pub struct Verifier(Secret);

impl Verifier {
    /// Reads one from `path`.
    pub(super) fn read(path: &Path) -> Result<Self, CredentialsError> {
        Self::parse(read(path)?).ok_or_else(|| CredentialsError::Verifier {
            path: path.to_owned(),
            expected: "a SCRAM-SHA-256 verifier",
        })
    }

    /// Whether `text` is one.
    #[must_use]
    pub fn parse(text: Secret) -> Option<Self> {
        is_verifier(text.expose_secret()).then_some(Self(text))
    }

    /// As PostgreSQL keeps it.
    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

fn is_verifier(text: &str) -> bool {
    let Some((iterations, rest)) = text
        .strip_prefix("SCRAM-SHA-256$")
        .and_then(|text| text.split_once(':'))
    else {
        return false;
    };
    let Some((salt, keys)) = rest.split_once('$') else {
        return false;
    };
    let Some((stored, server)) = keys.split_once(':') else {
        return false;
    };
    // PostgreSQL's own count is 4096; fewer would be easier to guess.
    iterations.parse().is_ok_and(|count: u32| count >= 4096)
        && is_base64(salt, 8)
        && is_base64(stored, 44)
        && is_base64(server, 44)
}

fn is_base64(text: &str, least: usize) -> bool {
    let plain = text.trim_end_matches('=');
    text.len() >= least
        && text.len().is_multiple_of(4)
        && text.len() - plain.len() <= 2
        && plain
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "SCRAM-SHA-256$4096:3hT9fAo+v1Sbr/2kQx6Jdw==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB=";

    #[test]
    fn only_what_postgresql_keeps_is_taken() {
        assert!(Verifier::parse(Secret::new(GOOD.into())).is_some());
        for (from, to) in [
            ("SCRAM-SHA-256", "md5"),
            ("4096", "1"),
            ("4096", "-1"),
            ("==$", "==$$"),
            ("=:", "'; DROP ROLE x; --:"),
            ("3hT9fAo+v1Sbr/2kQx6Jdw==", ""),
            ("AAAA", "A'A'"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD);
            assert!(
                Verifier::parse(Secret::new(text.clone())).is_none(),
                "{text}"
            );
        }
        assert!(Verifier::parse(Secret::new("correct horse battery".into())).is_none());
    }
}
