//! A value that must not be seen.
//!
//! Owns the only type that carries secret bytes. It has no `Debug`, `Display`, `Serialize` or
//! `Clone`, so that printing, copying or sending one by accident does not compile.

use serde::{Deserialize, Deserializer};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret string; its memory is overwritten when it is dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret(Box<str>);

impl Secret {
    /// Takes ownership of `value`.
    ///
    /// A `String` with spare capacity is moved into a smaller allocation here, and the old one is
    /// freed without being overwritten; build it with exact capacity where that matters.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value.into_boxed_str())
    }

    /// The value itself. The only way out: every call is a place to review.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.0
    }

    /// Length in bytes, which is not treated as secret.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the value is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares in time that depends only on the lengths.
    #[must_use]
    pub fn ct_eq(&self, other: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(other).into()
    }

    /// A second owner of the same value, by an explicit word rather than by `Clone`.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_is_by_value_and_refuses_prefixes() {
        let secret = Secret::new("correct horse".into());
        assert!(secret.ct_eq(b"correct horse"));
        assert!(!secret.ct_eq(b"correct hors"));
        assert!(!secret.ct_eq(b"correct horse "));
        assert!(!secret.ct_eq(b""));
    }
}
