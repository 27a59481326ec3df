//! What the status remembers of rotations.
//!
//! Owns [`Record`]: what is meant to happen, and what was seen. Losing it loses no secret: what is
//! under way is taken up again from the document, and a grace begins anew. One thing the document cannot
//! show: that a Redis in it was to be taken out if a pod refuses it.

use erpgo_secret_set::{Generation, KeyName, Kid};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::quorum::Missing;
use super::view::{DocumentView, KeyView};

/// Most removed versions that are remembered.
pub const MAX_REMOVED: usize = 10;

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// The keys as they were seen.
    pub keys: Vec<KeyRecord>,
    /// The rotation under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<Active>,
    /// Versions that are gone, newest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Removed>,
    /// The rotation before, but none that was taken back before anybody had refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Finished>,
    /// The annotation `erpgo.io/rotate` that was taken up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handled_rotate: Option<String>,
    /// The annotation `erpgo.io/revoke` that was taken up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handled_revoke: Option<String>,
}

/// One key as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRecord {
    /// Which key.
    pub key: KeyName,
    /// Its current version.
    pub kid: Kid,
    /// When that was made.
    pub created_at: Timestamp,
    /// Its next version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Kid>,
    /// Its previous version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Kid>,
    /// When every pod had left the previous version: its grace counts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switched_at: Option<Timestamp>,
}

/// A rotation under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Active {
    /// Its id.
    pub id: String,
    /// Why it was begun.
    pub reason: String,
    /// The keys that turn.
    pub keys: Vec<Turn>,
    /// How far it is.
    pub step: Step,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// Since when it is at this step.
    pub since: Timestamp,
    /// Whether the old version goes without grace.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoke: bool,
    /// Why it is rolled back, or ends early; none for a join that is taken back though nobody refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Pods that agree to this step.
    #[serde(default)]
    pub acknowledged: usize,
    /// Pods that must.
    #[serde(default)]
    pub total: usize,
    /// Some of those that do not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
}

/// One key that turns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Which key.
    pub key: KeyName,
    /// What was current when it began; none of a key that joins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Kid>,
}

/// How far a rotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// It is meant; nothing is written yet.
    Begin,
    /// The next versions are in the document.
    Stage,
    /// They are current.
    Promote,
    /// They are to be rolled back.
    Abort,
}

/// A version that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// Which key.
    pub key: KeyName,
    /// Which version.
    pub kid: Kid,
    /// The generation without it.
    pub generation: Generation,
    /// When it was seen to be gone.
    pub at: Timestamp,
    /// When every pod had said that it refuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_at: Option<Timestamp>,
}

/// A rotation that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finished {
    /// Its id.
    pub id: String,
    /// How.
    pub outcome: Outcome,
    /// Why it was begun, or else why it was rolled back or ended early.
    pub reason: String,
    /// Its keys.
    pub keys: Vec<KeyName>,
    /// When.
    pub at: Timestamp,
}

/// How a rotation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The new versions are current, and every pod uses them unless it ended early.
    Switched,
    /// It was rolled back.
    Aborted,
}

impl Finished {
    /// Whether it was rolled back, and of exactly `keys`.
    #[must_use]
    pub fn gave_up(&self, keys: &[KeyName]) -> bool {
        self.outcome == Outcome::Aborted && self.keys == keys
    }

    /// Whether every pod was heard to use the new versions, when it was begun for `reason`: one that ended
    /// early has another.
    #[must_use]
    pub fn ran_its_course(&self, reason: &str) -> bool {
        self.outcome == Outcome::Switched && self.reason == reason
    }
}

impl Active {
    /// Whether a key joins the document, and none is rotated.
    #[must_use]
    pub fn joins(&self) -> bool {
        self.keys.iter().any(|turn| turn.from.is_none())
    }
}

impl Step {
    /// Its number in metrics; 0 is no rotation.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Begin => 1,
            Self::Stage => 2,
            Self::Promote => 3,
            Self::Abort => 4,
        }
    }
}

impl Record {
    /// What is remembered of `key`.
    #[must_use]
    pub fn key(&self, key: KeyName) -> Option<&KeyRecord> {
        self.keys.iter().find(|record| record.key == key)
    }

    pub(super) fn key_mut(&mut self, key: KeyName) -> Option<&mut KeyRecord> {
        self.keys.iter_mut().find(|record| record.key == key)
    }

    /// Takes over what `document` says; returns the versions that are gone since.
    pub(super) fn see(&mut self, document: &DocumentView, now: Timestamp) -> Vec<Removed> {
        let gone: Vec<Removed> = self
            .keys
            .iter()
            .flat_map(KeyRecord::kids)
            .filter(|(key, kid)| !document.has(*key, kid))
            .map(|(key, kid)| Removed {
                key,
                kid: kid.clone(),
                generation: document.generation,
                at: now,
                refused_at: None,
            })
            .collect();
        // A stale read may have missed what is there after all.
        self.removed.retain(|old| !document.has(old.key, &old.kid));
        self.removed.extend(gone.iter().cloned());
        let excess = self.removed.len().saturating_sub(MAX_REMOVED);
        self.removed.drain(..excess);
        let seen = document
            .keys
            .iter()
            .map(|(key, view)| self.seen(*key, view));
        self.keys = seen.collect();
        gone
    }

    fn seen(&self, key: KeyName, view: &KeyView) -> KeyRecord {
        let previous = view.previous.as_ref().map(|version| version.kid.clone());
        let before = self.key(key).filter(|old| old.previous == previous);
        KeyRecord {
            key,
            kid: view.current.kid.clone(),
            created_at: whole(view.current.created_at),
            next: view.next.as_ref().map(|version| version.kid.clone()),
            switched_at: before.and_then(|old| old.switched_at),
            previous,
        }
    }
}

// As the API server keeps it.
fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

impl KeyRecord {
    fn kids(&self) -> impl Iterator<Item = (KeyName, &Kid)> {
        let kids = std::iter::once(&self.kid).chain(&self.next);
        kids.chain(&self.previous).map(|kid| (self.key, kid))
    }
}
