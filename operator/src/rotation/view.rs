//! What may be known of a document: kids and dates.
//!
//! Owns [`DocumentView`]; it is made from a document and holds no value (I-04).

use std::collections::BTreeMap;

use erpgo_secret_set::{Document, Generation, KeyName, Kid, RotatingKey, Version};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A document without its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentView {
    /// Its generation.
    pub generation: Generation,
    /// Its keys.
    pub keys: BTreeMap<KeyName, KeyView>,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyView {
    /// What signs, hashes and connects.
    pub current: VersionView,
    /// Accepted, not yet used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<VersionView>,
    /// Still accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<VersionView>,
    /// Drawn, and known to no pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepared: Option<VersionView>,
}

/// One version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionView {
    /// Public id.
    pub kid: Kid,
    /// When it was made.
    pub created_at: Timestamp,
}

impl KeyView {
    /// Every version that a pod may have, current first.
    pub fn versions(&self) -> impl Iterator<Item = &VersionView> {
        std::iter::once(&self.current)
            .chain(&self.next)
            .chain(&self.previous)
    }

    /// Whether nothing of it is on its way.
    #[must_use]
    pub const fn is_stable(&self) -> bool {
        self.next.is_none() && self.previous.is_none() && self.prepared.is_none()
    }
}

impl DocumentView {
    /// Whether `key` has a version `kid`.
    #[must_use]
    pub fn has(&self, key: KeyName, kid: &Kid) -> bool {
        let versions = self.keys.get(&key).into_iter().flat_map(KeyView::versions);
        versions.into_iter().any(|version| version.kid == *kid)
    }
}

impl From<&Document> for DocumentView {
    fn from(document: &Document) -> Self {
        let key = |name| {
            let view = KeyView {
                prepared: document.prepared.get(&name).map(Into::into),
                ..KeyView::from(document.keys.get(name)?)
            };
            Some((name, view))
        };
        Self {
            generation: document.generation,
            keys: KeyName::ALL.into_iter().filter_map(key).collect(),
        }
    }
}

impl From<&RotatingKey> for KeyView {
    fn from(key: &RotatingKey) -> Self {
        Self {
            current: (&key.current).into(),
            next: key.next.as_ref().map(Into::into),
            previous: key.previous.as_ref().map(Into::into),
            prepared: None,
        }
    }
}

impl From<&Version> for VersionView {
    fn from(version: &Version) -> Self {
        Self {
            kid: version.kid.clone(),
            created_at: version.created_at,
        }
    }
}
