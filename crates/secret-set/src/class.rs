//! Why a sidecar has no set that it can use, in one word.
//!
//! Owns [`ErrorClass`], the words that sidecars write, and [`ToldClass`], what is read of one: a sidecar of
//! another version may know more words, and what it says is taken all the same. It must never hold more of a
//! failure than its word (I-04).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Most characters that are kept of a word that is not known (I-12).
const MAX_WORD: usize = 32;

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// No answer, or one that says the server is broken.
    Unreachable,
    /// Not allowed to log in or to read.
    Denied,
    /// No document there.
    NotFound,
    /// Asked to come back later.
    Throttled,
    /// Vault is sealed or in maintenance.
    Sealed,
    /// There, and not a valid document.
    Malformed,
    /// Valid, and the files cannot be written.
    Unwritable,
}

impl ErrorClass {
    /// Every class, in the order of the metrics.
    pub const ALL: [Self; 7] = [
        Self::Unreachable,
        Self::Denied,
        Self::NotFound,
        Self::Throttled,
        Self::Sealed,
        Self::Malformed,
        Self::Unwritable,
    ];

    /// As written in a pod's state, in conditions and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::Throttled => "throttled",
            Self::Sealed => "sealed",
            Self::Malformed => "malformed",
            Self::Unwritable => "unwritable",
        }
    }
}

/// A class as a pod tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ToldClass {
    /// One that is known.
    Known(ErrorClass),
    /// The word of another version.
    Other(String),
}

impl ToldClass {
    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(class) => class.as_str(),
            Self::Other(word) => word,
        }
    }
}

impl From<String> for ToldClass {
    fn from(word: String) -> Self {
        let mut all = ErrorClass::ALL.into_iter();
        match all.find(|class| class.as_str() == word) {
            Some(class) => Self::Known(class),
            None => Self::Other(word.chars().take(MAX_WORD).collect()),
        }
    }
}

impl From<ToldClass> for String {
    fn from(told: ToldClass) -> Self {
        told.as_str().to_owned()
    }
}

impl fmt::Display for ToldClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_is_written_and_read_as_its_word() {
        let words = [
            "unreachable",
            "denied",
            "not_found",
            "throttled",
            "sealed",
            "malformed",
            "unwritable",
        ];
        assert_eq!(ErrorClass::ALL.map(ErrorClass::as_str), words);
        for (class, word) in ErrorClass::ALL.into_iter().zip(words) {
            let (told, text) = (ToldClass::Known(class), format!("\"{word}\""));
            assert_eq!(serde_json::to_string(&told).unwrap(), text);
            assert_eq!(serde_json::from_str::<ToldClass>(&text).unwrap(), told);
            assert_eq!(told.to_string(), word);
        }
    }

    #[test]
    fn a_word_of_another_version_is_taken_as_it_is_and_not_at_any_length() {
        for word in ["expired", "Denied", ""] {
            let (told, text) = (ToldClass::Other(word.to_owned()), format!("\"{word}\""));
            assert_eq!(serde_json::from_str::<ToldClass>(&text).unwrap(), told);
            assert_eq!(serde_json::to_string(&told).unwrap(), text);
            assert_eq!(told.to_string(), word);
        }
        let long = ToldClass::from("ä".repeat(10_000));
        assert_eq!(long, ToldClass::Other("ä".repeat(MAX_WORD)));
    }
}
