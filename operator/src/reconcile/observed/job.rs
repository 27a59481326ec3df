//! A migration Job as it was seen.
//!
//! Owns [`JobFacts`] and [`MigrationReport`]: plain data without a value of a secret (I-04).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// State of a Job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobState {
    /// Neither Complete nor Failed.
    #[default]
    Running,
    /// Complete.
    Succeeded,
    /// Failed.
    Failed,
}

/// What is read of a migration Job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobFacts {
    /// Name.
    pub name: String,
    /// For the precondition of a delete (I-11).
    pub uid: String,
    /// For the precondition of a delete (I-11).
    pub resource_version: String,
    /// Image of the container `migrate`.
    pub image: String,
    /// State.
    pub state: JobState,
    /// Reason of the condition Failed, for example `PodFailurePolicy` or `DeadlineExceeded`.
    pub reason: Option<String>,
    /// Exit code of the container `migrate` of the newest pod that ended.
    pub exit_code: Option<i32>,
    /// The kubelet's word for that end, for example `OOMKilled`.
    pub end_reason: Option<String>,
    /// That pod's termination message, when it is a report.
    pub report: Option<MigrationReport>,
    /// The end of that message when it is none: of the pod's log, then. At most [`super::MAX_TAIL_BYTES`].
    pub tail: Option<String>,
    /// Annotation [`crate::reconcile::names::ATTEMPT`]; 1 when it is missing.
    pub attempt: u32,
    /// Annotation [`crate::reconcile::names::MADE_WITH`].
    pub made_with: Option<String>,
    /// Annotation [`crate::reconcile::names::DATABASE`].
    pub database: Option<String>,
    /// When it failed or completed.
    pub finished_at: Option<Timestamp>,
    /// Why the API server refuses its pods, while it has none.
    pub pods_refused: Option<String>,
}

/// How a migration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MigrationOutcome {
    /// At least one was applied.
    Applied,
    /// There was nothing to do.
    Unchanged,
    /// One failed.
    Failed,
    /// A destructive one was refused.
    Refused,
    /// The database or a lock was not to be had.
    Unavailable,
}

/// What `erpgo migrate` writes to its termination log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationReport {
    /// How it ended.
    pub outcome: MigrationOutcome,
    /// Migrations that were applied.
    #[serde(default)]
    pub applied: Vec<String>,
    /// The one that failed.
    #[serde(default)]
    pub migration: Option<String>,
    /// The statement that failed.
    #[serde(default)]
    pub statement: Option<String>,
    /// Why.
    #[serde(default)]
    pub error: Option<String>,
    /// Whether it may succeed later by itself.
    #[serde(default)]
    pub retryable: bool,
    /// Connections that the server keeps for roles such as the API's; none when it did not say.
    #[serde(default)]
    pub connections: Option<i32>,
}
