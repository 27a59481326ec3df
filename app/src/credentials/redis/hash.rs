//! What Redis stores of a password.
//!
//! Owns [`Hash`], which can hold nothing else.

use std::path::Path;

use erpgo_secret_set::Secret;

use crate::credentials::{CredentialsError, read};

/// A SHA-256 as 64 lower-case hexadecimal digits, the only form that `ACL SETUSER` takes.
pub struct Hash(Secret);

impl Hash {
    /// Reads one from `path`.
    pub(super) fn read(path: &Path) -> Result<Self, CredentialsError> {
        Self::parse(read(path)?).ok_or_else(|| CredentialsError::Verifier {
            path: path.to_owned(),
            expected: "the SHA-256 of a password",
        })
    }

    /// Whether `text` is one.
    #[must_use]
    pub fn parse(text: Secret) -> Option<Self> {
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_hash = text.len() == 64 && text.expose_secret().bytes().all(hex);
        is_hash.then_some(Self(text))
    }

    /// As Redis keeps it.
    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_redis_keeps_is_taken() {
        let good = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(Hash::parse(Secret::new(good.into())).is_some());
        for bad in [
            "",
            "correct horse battery",
            &good.to_uppercase(),
            &good[1..],
            &format!("{good}0"),
            &good.replacen('b', "g", 1),
            &good.replacen('b', " ", 1),
        ] {
            assert!(Hash::parse(Secret::new(bad.into())).is_none(), "{bad}");
        }
    }
}
