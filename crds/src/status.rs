//! What the operator reports.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::RotationStatus;

/// State of an ErpGo as the operator last saw it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ErpGoStatus {
    /// `metadata.generation` that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Pods there are; for the scale subresource.
    pub replicas: i32,
    /// Pods that serve.
    pub ready_replicas: i32,
    /// Label selector of the pods; for the scale subresource.
    pub selector: String,
    /// Image that serves: the last one whose migrations succeeded and whose rollout was begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving_image: Option<String>,
    /// Sidecar beside it.
    #[serde(deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    pub serving_sidecar: Option<ServingSidecar>,
    /// The migration Job of the wanted image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration: Option<MigrationStatus>,
    /// The secret set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_set: Option<SecretSetStatus>,
    /// Rotations of the secret set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationStatus>,
    /// Ready, Progressing, Degraded, MigrationsApplied, SecretsReady, RotationInProgress,
    /// MonitoringReady, Paused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// The sidecar of the pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServingSidecar {
    /// Its image. One that was the operator's default stays through upgrades of the operator, which
    /// roll no pods; a new default comes with the next change of `spec.image`.
    pub image: String,
    /// Where it came from: `Spec` when `spec.secrets.sidecar.image` names it, `Operator` when it was
    /// the operator's default.
    pub chosen_by: ChosenBy,
}

/// Who chose a sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ChosenBy {
    /// The spec names it.
    Spec,
    /// It was the operator's default.
    Operator,
}

// One that nobody here knows, of a later operator perhaps, counts as not recorded: the object is read all
// the same, and the record is made anew.
fn known<'de, D>(sidecar: D) -> Result<Option<ServingSidecar>, D::Error>
where
    D: Deserializer<'de>,
{
    let sidecar = Option::<serde_json::Value>::deserialize(sidecar)?;
    Ok(sidecar.and_then(|sidecar| serde_json::from_value(sidecar).ok()))
}

/// A migration Job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MigrationStatus {
    /// Name of the Job.
    pub job: String,
    /// Image whose migrations it runs.
    pub image: String,
    /// `Running`, `Succeeded` or `Failed`.
    pub state: String,
    /// Version of the database that a success counts for: where another is current, the migrations run
    /// again. Absent before a success, and from the moment at which each pod has the image: pods prove
    /// every later version themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
}

/// The secret set, in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretSetStatus {
    /// Generation in the backend.
    pub generation: i64,
    /// Pods that hold it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acks: Option<Acks>,
}

/// How many pods acknowledged a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Acks {
    /// Pods that did.
    pub acknowledged: i32,
    /// Pods that can serve.
    pub total: i32,
}
