//! The document in the backend: one JSON value, written in one atomic write.
//!
//! Owns its shape and its two directions, [`Document::parse`] and [`Document::to_json`]. A parse
//! error names the place by line and column and never quotes the text.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Generation, KeyName, Kid, Secret, Slot};

/// All secrets of one ErpGo at one generation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Grows by one with every write.
    pub generation: Generation,
    /// The keys.
    pub keys: Keys,
    /// Values that are drawn and of no use yet: no pod is given them. A database password waits here
    /// until its role has it.
    #[serde(default)]
    pub prepared: BTreeMap<KeyName, Version>,
}

/// The keys of a document; Redis alone may be absent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Signs access tokens.
    pub jwt: RotatingKey,
    /// Signs refresh tokens; what kept answers are sealed under is derived from it.
    pub refresh: RotatingKey,
    /// Keyed into password hashes.
    pub pepper: RotatingKey,
    /// PostgreSQL URL.
    pub database: RotatingKey,
    /// Redis URL.
    #[serde(default)]
    pub redis: Option<RotatingKey>,
}

/// One key and its versions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotatingKey {
    /// Signs, hashes and connects.
    pub current: Version,
    /// Accepted, not yet used.
    #[serde(default)]
    pub next: Option<Version>,
    /// Still accepted.
    #[serde(default)]
    pub previous: Option<Version>,
}

/// One version of one key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// Public id.
    pub kid: Kid,
    /// When the value was made.
    pub created_at: Timestamp,
    /// When it stops being accepted, if that is known.
    #[serde(default)]
    pub not_after: Option<Timestamp>,
    /// The value.
    pub value: Secret,
}

/// Why a document could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DocumentError {
    /// The text is not a document of this shape.
    #[error("secret document is not valid at line {line} column {column}: {what}")]
    Malformed {
        /// 1-based line.
        line: usize,
        /// 1-based column.
        column: usize,
        /// Class of the fault, without any of the text.
        what: &'static str,
    },
    /// Larger than [`Document::MAX_BYTES`].
    #[error("secret document is {0} bytes, more than the limit of 65536")]
    TooLarge(usize),
}

impl RotatingKey {
    /// The version in `slot`, if there is one.
    #[must_use]
    pub fn slot(&self, slot: Slot) -> Option<&Version> {
        match slot {
            Slot::Current => Some(&self.current),
            Slot::Next => self.next.as_ref(),
            Slot::Previous => self.previous.as_ref(),
        }
    }

    /// Every version there is, current first.
    pub fn versions(&self) -> impl Iterator<Item = (Slot, &Version)> {
        Slot::ALL
            .into_iter()
            .filter_map(|slot| self.slot(slot).map(|version| (slot, version)))
    }
}

impl Keys {
    /// The key called `name`, if the document has it.
    #[must_use]
    pub fn get(&self, name: KeyName) -> Option<&RotatingKey> {
        match name {
            KeyName::Jwt => Some(&self.jwt),
            KeyName::Refresh => Some(&self.refresh),
            KeyName::Pepper => Some(&self.pepper),
            KeyName::Database => Some(&self.database),
            KeyName::Redis => self.redis.as_ref(),
        }
    }

    /// Every version of every key, in the order of [`KeyName::ALL`] and [`Slot::ALL`].
    pub fn versions(&self) -> impl Iterator<Item = (KeyName, Slot, &Version)> {
        KeyName::ALL.into_iter().flat_map(move |name| {
            self.get(name).into_iter().flat_map(move |key| {
                key.versions()
                    .map(move |(slot, version)| (name, slot, version))
            })
        })
    }
}

impl Document {
    /// The largest document that is read: five keys of three versions with room to spare.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// Reads a document.
    ///
    /// # Errors
    /// [`DocumentError`] when the text is too large or not of this shape; unknown fields count.
    pub fn parse(json: &[u8]) -> Result<Self, DocumentError> {
        if json.len() > Self::MAX_BYTES {
            return Err(DocumentError::TooLarge(json.len()));
        }
        serde_json::from_slice(json).map_err(|error| malformed(&error))
    }

    /// The document as JSON, as secret as what is in it.
    #[must_use]
    pub fn to_json(&self) -> Secret {
        let out = DocumentOut::from(self);
        // Serialising strings and timestamps into memory has no failing case.
        Secret::new(serde_json::to_string(&out).unwrap_or_default())
    }
}

fn malformed(error: &serde_json::Error) -> DocumentError {
    let what = match error.classify() {
        serde_json::error::Category::Io => "unreadable",
        serde_json::error::Category::Syntax => "not JSON",
        serde_json::error::Category::Data => "a missing, unknown or ill-typed field",
        serde_json::error::Category::Eof => "the text ends early",
    };
    DocumentError::Malformed {
        line: error.line(),
        column: error.column(),
        what,
    }
}

// The borrowed twin that may be serialised; private, so that only `to_json` can reach it.
#[derive(Serialize)]
struct DocumentOut<'a> {
    generation: Generation,
    keys: KeysOut<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    prepared: BTreeMap<KeyName, VersionOut<'a>>,
}

#[derive(Serialize)]
struct KeysOut<'a> {
    jwt: KeyOut<'a>,
    refresh: KeyOut<'a>,
    pepper: KeyOut<'a>,
    database: KeyOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redis: Option<KeyOut<'a>>,
}

#[derive(Serialize)]
struct KeyOut<'a> {
    current: VersionOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<VersionOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<VersionOut<'a>>,
}

#[derive(Serialize)]
struct VersionOut<'a> {
    kid: &'a Kid,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<Timestamp>,
    value: &'a str,
}

impl<'a> From<&'a Document> for DocumentOut<'a> {
    fn from(document: &'a Document) -> Self {
        let keys = &document.keys;
        Self {
            generation: document.generation,
            keys: KeysOut {
                jwt: (&keys.jwt).into(),
                refresh: (&keys.refresh).into(),
                pepper: (&keys.pepper).into(),
                database: (&keys.database).into(),
                redis: keys.redis.as_ref().map(Into::into),
            },
            prepared: document
                .prepared
                .iter()
                .map(|(name, version)| (*name, version.into()))
                .collect(),
        }
    }
}

impl<'a> From<&'a RotatingKey> for KeyOut<'a> {
    fn from(key: &'a RotatingKey) -> Self {
        Self {
            current: (&key.current).into(),
            next: key.next.as_ref().map(Into::into),
            previous: key.previous.as_ref().map(Into::into),
        }
    }
}

impl<'a> From<&'a Version> for VersionOut<'a> {
    fn from(version: &'a Version) -> Self {
        Self {
            kid: &version.kid,
            created_at: version.created_at,
            not_after: version.not_after,
            value: version.value.expose_secret(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) const EXAMPLE: &str = r#"{"generation":7,"keys":{
        "jwt":{"current":{"kid":"jwt-b","created_at":"2026-11-01T00:00:00Z","value":"mU3xQ9vT1zL7pW5kR2nB8cD4fG6hJ0sYaEoIuXtVrNq"},
               "previous":{"kid":"jwt-a","created_at":"2026-08-01T00:00:00Z","not_after":"2026-11-02T00:00:00Z","value":"qN7rVtXuIoEaYs0Jh6Gf4Dc8Bn2Rk5Wp7Lz1Tv9Qx3Um"}},
        "refresh":{"current":{"kid":"refresh-a","created_at":"2026-08-01T00:00:00Z","value":"Zk4uP0yH8wC2mS6bF1xJ5vN9tR3dL7gQaTeYiWoUzXp"}},
        "pepper":{"current":{"kid":"pepper-a","created_at":"2026-08-01T00:00:00Z","value":"b7VhK2sXw9RfTq4Lm1Zc"}},
        "database":{"current":{"kid":"database-a","created_at":"2026-08-01T00:00:00Z","value":"postgres://erp:hunter2@db:5432/erp"}},
        "redis":{"current":{"kid":"redis-a","created_at":"2026-08-01T00:00:00Z","value":"redis://:swordfish@cache:6379/0"}}}}"#;

    #[test]
    fn a_document_survives_the_way_out_and_back() {
        let first = Document::parse(EXAMPLE.as_bytes()).unwrap();
        let text = first.to_json();
        let second = Document::parse(text.expose_secret().as_bytes()).unwrap();
        assert_eq!(second.to_json().expose_secret(), text.expose_secret());
        assert_eq!(second.generation, Generation(7));
        assert_eq!(second.keys.versions().count(), 6);
    }

    #[test]
    fn unknown_fields_are_refused_without_quoting_them() {
        let text = EXAMPLE.replacen("\"generation\"", "\"hunter2\":1,\"generation\"", 1);
        let Err(error) = Document::parse(text.as_bytes()) else {
            panic!("accepted an unknown field");
        };
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    proptest! {
        #[test]
        fn any_damage_gives_an_error_that_shows_no_value(at in 0usize..900, byte in any::<u8>()) {
            let mut bytes = EXAMPLE.as_bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Err(error) = Document::parse(&bytes) {
                let shown = format!("{error} {error:?}");
                for canary in ["hunter2", "swordfish", "mU3xQ9", "b7VhK2"] {
                    prop_assert!(!shown.contains(canary));
                }
            }
        }
    }

    #[test]
    fn a_document_over_the_limit_is_refused_before_it_is_parsed() {
        let huge = vec![b' '; Document::MAX_BYTES + 1];
        assert_eq!(
            Document::parse(&huge).err(),
            Some(DocumentError::TooLarge(Document::MAX_BYTES + 1))
        );
    }
}
