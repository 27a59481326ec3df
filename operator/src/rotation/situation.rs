//! What a decision is made from, and what it may ask for.
//!
//! Owns [`Situation`], [`Policy`] and [`Write`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use erpgo_secret_set::{Generation, KeyName, Kid};
use jiff::Timestamp;

use super::errand_view::ErrandView;
use super::logins::{LoginKey, Logins};
use super::quorum::PodView;
use super::record::Record;
use super::trigger::{Request, RequestError, Revocation};
use super::view::DocumentView;

/// Everything that a decision is made from.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// The document.
    pub document: &'a DocumentView,
    /// Every pod of the API.
    pub pods: &'a [PodView],
    /// What the status remembers.
    pub record: &'a Record,
    /// What the spec says.
    pub policy: &'a Policy,
    /// What is asked for.
    pub triggers: &'a Triggers,
    /// Keys for which a new value can be had.
    pub offered: &'a BTreeSet<KeyName>,
    /// Keys whose source has a new value that is not in the document.
    pub changed: &'a BTreeSet<KeyName>,
    /// Whether the document has Redis as the spec says.
    pub redis: Redis,
    /// The logins whose passwords the operator changes; those of a key that is not here come from a
    /// Secret.
    pub logins: &'a BTreeMap<LoginKey, Logins>,
    /// The Jobs that do so, as they stand.
    pub errands: &'a [ErrandView],
    /// The time.
    pub now: Timestamp,
}

/// How the document stands to `spec.redis`: Redis is the one key that it may lack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redis {
    /// Both have it or neither has, or there is no URL for it yet.
    #[default]
    Agrees,
    /// The spec has it, with a URL, and the document has not.
    Joins,
    /// The document has it and the spec has not.
    Leaves,
}

/// What the spec says of rotations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// No rotation is begun, except to revoke, and Redis neither joins nor leaves, unless it is revoked.
    pub paused: bool,
    /// Age at which a key is rotated.
    pub interval: Duration,
    /// How long an old signing key of access tokens is accepted.
    pub jwt_grace: Duration,
    /// How long an old signing key of refresh tokens is accepted.
    pub refresh_grace: Duration,
    /// Keys that are rotated by age.
    pub scheduled: Vec<KeyName>,
    /// Spreads the schedule: the object's uid.
    pub seed: String,
}

/// What is asked for by annotations: the raw text and its meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Triggers {
    /// `erpgo.io/rotate`.
    pub rotate: Option<(String, Result<Request, RequestError>)>,
    /// `erpgo.io/revoke`.
    pub revoke: Option<(String, Result<Revocation, RequestError>)>,
}

/// One write of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The rotation that it belongs to.
    pub rotation: String,
    /// The generation that it was decided on; it is written on this one or not at all.
    pub on: Generation,
    /// What changes.
    pub edit: Edit,
}

/// What a write changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Draws a password for this login and lays the version by; no pod is given it yet.
    Prepare(KeyName, String),
    /// Adds next versions: new ones, or what was prepared.
    Stage(Vec<KeyName>),
    /// Makes them current.
    Promote(Vec<KeyName>),
    /// Removes previous versions.
    Retire(Vec<KeyName>),
    /// Rolls next versions back.
    Abort(Vec<KeyName>),
    /// Removes one version without grace.
    Revoke(KeyName, Kid),
    /// Adds Redis, which the document lacks.
    Join,
    /// Takes Redis out with all its versions.
    Leave,
}

impl Edit {
    /// A name for it that is the same each time it is tried.
    #[must_use]
    pub fn step(&self) -> String {
        let (word, keys) = match self {
            Self::Prepare(key, login) => return format!("prepare {key} {login}"),
            Self::Stage(keys) => ("stage", keys),
            Self::Promote(keys) => ("promote", keys),
            Self::Retire(keys) => ("retire", keys),
            Self::Abort(keys) => ("abort", keys),
            Self::Revoke(key, kid) => return format!("revoke {key}/{kid}"),
            Self::Join => return "join".into(),
            Self::Leave => return "leave".into(),
        };
        let keys: Vec<_> = keys.iter().map(|key| key.as_str()).collect();
        format!("{word} {}", keys.join(","))
    }
}
