//! The Jobs that change passwords, as they were seen.
//!
//! Owns [`ErrandView`]: what each is for and how it stands. It judges nothing and holds no value (I-04).

use serde::{Deserialize, Serialize};

use super::errand::Errand;

/// A Job as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrandView {
    /// What it is for.
    pub errand: Errand,
    /// How it stands.
    pub state: ErrandState,
}

/// How a Job stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ErrandState {
    /// It has not ended.
    Running,
    /// One of its pods failed and another one follows.
    Retrying {
        /// Why, without values.
        reason: String,
    },
    /// It is done.
    Succeeded,
    /// It was given up.
    Failed {
        /// Why, without values.
        reason: String,
    },
}

impl ErrandState {
    /// Whether it changes nothing any more.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed { .. })
    }
}
