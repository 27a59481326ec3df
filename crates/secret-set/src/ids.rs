//! Names and numbers of the secret set.
//!
//! Owns [`KeyName`], [`Slot`], [`Kid`] and [`Generation`]: each can only hold what is valid.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The secrets of one ErpGo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyName {
    /// Signs access tokens.
    Jwt,
    /// Signs refresh tokens.
    Refresh,
    /// Keyed into every password hash.
    Pepper,
    /// PostgreSQL URL with its credentials.
    Database,
    /// Redis URL with its credentials.
    Redis,
}

impl KeyName {
    /// Every key, in the order in which files and faults are listed.
    pub const ALL: [Self; 5] = [
        Self::Jwt,
        Self::Refresh,
        Self::Pepper,
        Self::Database,
        Self::Redis,
    ];

    /// The name as written in the document and in file names.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::Refresh => "refresh",
            Self::Pepper => "pepper",
            Self::Database => "database",
            Self::Redis => "redis",
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The part that one version of a key plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// Signs, hashes and connects.
    Current,
    /// Accepted, not yet used.
    Next,
    /// Still accepted.
    Previous,
}

impl Slot {
    /// Every slot, in the order in which an app tries them.
    pub const ALL: [Self; 3] = [Self::Current, Self::Next, Self::Previous];

    /// The name as written in the document and in file names.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Next => "next",
            Self::Previous => "previous",
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a kid was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum IdError {
    /// Not 1–63 characters of `[a-z0-9-]` that begin with a letter or digit.
    #[error("a kid is 1 to 63 characters of a-z, 0-9 and '-', beginning with a letter or digit")]
    Kid,
}

/// Key id: public, stable for the life of one version, safe in logs, headers and status.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Kid(String);

impl Kid {
    // For ids that this crate spells itself; the test below holds them to the rule.
    pub(crate) fn literal(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    // As `literal`, for ids that are put together from a key's name and numbers.
    pub(crate) const fn spelled(text: String) -> Self {
        Self(text)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Kid {
    type Error = IdError;

    fn try_from(value: String) -> Result<Self, IdError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let ok = (1..=63).contains(&value.len())
            && !value.starts_with('-')
            && value.bytes().all(allowed);
        if ok {
            Ok(Self(value))
        } else {
            Err(IdError::Kid)
        }
    }
}

impl From<Kid> for String {
    fn from(kid: Kid) -> Self {
        kid.0
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Counts the writes of the document; the first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation that the operator writes when the backend has none.
    pub const FIRST: Self = Self(1);
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_kid_is_safe_in_a_file_name_and_a_header(text in ".{0,70}") {
            if let Ok(kid) = Kid::try_from(text.clone()) {
                prop_assert_eq!(kid.as_str(), text.as_str());
                prop_assert!(text.bytes().all(|b| b.is_ascii_graphic() && b != b'/' && b != b'.'));
            }
        }

        #[test]
        fn every_well_formed_kid_is_accepted(text in "[a-z0-9][a-z0-9-]{0,62}") {
            prop_assert!(Kid::try_from(text).is_ok());
        }
    }
}
