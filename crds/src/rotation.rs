//! When secrets are rotated, and what the operator reports of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When secrets are rotated. A rotation restarts no pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Rotation {
    /// Age in days at which jwt, refresh and pepper are rotated, 8 to 3650; a key is taken up to a
    /// tenth earlier, so that not all come at once. Default 90. A change counts at once, for keys that
    /// there are too.
    #[schemars(range(min = 8, max = 3650))]
    pub interval_days: i32,
    /// Begins no rotation, be it by age or by `erpgo.io/rotate`, and takes no `spec.redis` into the secret
    /// set or out of it. Default false. One that is under way is finished, and `erpgo.io/revoke` works. A
    /// change takes hold at once.
    pub paused: bool,
    /// How long old versions are accepted. Default: what its fields say. A change counts at once, for
    /// versions in their grace too.
    pub grace: Grace,
}

/// How long an old version is accepted after every pod has left it. The pepper's is kept until no
/// password hash refers to it, those of database and Redis until no connection is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Grace {
    /// Hours for the key of access tokens, 1 to 168. Default 24. A change takes hold at once.
    #[schemars(range(min = 1, max = 168))]
    pub jwt_hours: i32,
    /// Days for the key of refresh tokens, 7 to 90; they live for 7. Default 7. A change takes hold at
    /// once.
    #[schemars(range(min = 7, max = 90))]
    pub refresh_days: i32,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            interval_days: 90,
            paused: false,
            grace: Grace::default(),
        }
    }
}

impl Default for Grace {
    fn default() -> Self {
        Self {
            jwt_hours: 24,
            refresh_days: 7,
        }
    }
}

/// Rotations, in kids, dates and counts; never a value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RotationStatus {
    /// The keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<RotatingKeyStatus>,
    /// The rotation under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<ActiveRotation>,
    /// The last versions that were removed, newest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<RemovedVersion>,
    /// The rotation before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<FinishedRotation>,
    /// The annotation `erpgo.io/rotate` that was taken up; another text asks again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handled_rotate: Option<String>,
    /// The annotation `erpgo.io/revoke` that was taken up; another text asks again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handled_revoke: Option<String>,
}

/// One key and its versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotatingKeyStatus {
    /// jwt, refresh, pepper, database or redis.
    pub key: String,
    /// What signs, hashes or connects.
    pub kid: String,
    /// When that was made.
    pub created_at: Time,
    /// Accepted, not yet used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Still accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// When every pod had left the previous version: its grace counts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switched_at: Option<Time>,
}

/// A rotation under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActiveRotation {
    /// Its id.
    pub id: String,
    /// Why it was begun.
    pub reason: String,
    /// The keys that turn, with the kids that they turn from.
    pub keys: Vec<TurningKey>,
    /// `Begin`, `Stage`, `Promote` or `Abort`.
    pub step: String,
    /// When it was begun.
    pub begun_at: Time,
    /// Since when it is at this step.
    pub since: Time,
    /// Whether the old version goes without grace.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoke: bool,
    /// Why it is rolled back, or ends early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Pods that agree to this step.
    pub acknowledged: i32,
    /// Pods that must.
    pub total: i32,
    /// Some of those that do not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingPod>,
}

/// A key that turns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TurningKey {
    /// Which key.
    pub key: String,
    /// What was current when the rotation began; nothing for a key that joins the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// A pod that does not agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MissingPod {
    /// Its name.
    pub pod: String,
    /// Why.
    pub reason: String,
}

/// A version that is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemovedVersion {
    /// Which key.
    pub key: String,
    /// Which version.
    pub kid: String,
    /// The generation without it.
    pub generation: i64,
    /// When it was seen to be gone.
    pub at: Time,
    /// When every pod had said that it refuses it: the proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_at: Option<Time>,
}

/// A rotation that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FinishedRotation {
    /// Its id.
    pub id: String,
    /// `Switched`: every pod uses the new versions, or they are current and it ended early to make room
    /// for a revocation; `Aborted`: it was rolled back.
    pub outcome: String,
    /// Why it was begun, or else why it was rolled back or ended early.
    pub reason: String,
    /// Its keys.
    pub keys: Vec<String>,
    /// When it ended.
    pub at: Time,
}
