//! What a plan knows of the world.
//!
//! Owns [`Observed`]: plain data, read by `observe`, judged by `plan` and `status`. It holds no
//! value of a secret (I-04) and every text in it is bounded by whoever reads it (I-12). It can be
//! written as YAML, so that `erpgo-operator plan --observed` replays a situation.

mod job;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use erpgo_secret_set::{Generation, KeyName, Kid, PodState, ToldClass};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use job::{JobFacts, JobState, MigrationOutcome, MigrationReport};

use crate::rotation::{DocumentView, ErrandView, LoginKey};

/// Longest message of a pod or a report that is kept, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 4096;
/// Longest end of the log of a migration without a report that is kept, in bytes.
pub const MAX_TAIL_BYTES: usize = 600;
/// Most pods that are kept; the rest only count.
pub const MAX_PODS: usize = 256;

/// Everything that was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Observed {
    /// The key that `spec.database.secretRef` names.
    pub database_secret: SecretSource,
    /// The key that `spec.redis.secretRef` names, when the spec has one.
    pub redis_secret: Option<SecretSource>,
    /// The Secret that `spec.bootstrapAdmin.secretRef` names, when the spec has one.
    pub bootstrap_secret: Option<SecretSource>,
    /// Resource version of that Secret, when it is there.
    pub bootstrap_revision: Option<String>,
    /// The Secret that `spec.mail.credentialsSecretRef` names; none as well while it was not looked at,
    /// since all pods are ready.
    pub mail_secret: Option<SecretSource>,
    /// The keys that `adminSecretRef` names, where a Job that mounts one has not succeeded.
    pub login_admins: BTreeMap<LoginKey, SecretSource>,
    /// The secret set in its backend.
    pub secret_set: SecretSetState,
    /// Whether the Secret `NAME-control` is there.
    pub control_token: bool,
    /// Whether the Secret `NAME-admin` is there.
    pub admin_secret: bool,
    /// The Deployment.
    pub deployment: Option<DeploymentFacts>,
    /// Pods of the API and of the wanted migration Job, at most [`MAX_PODS`]; when there are more, the
    /// API's that have not ended and the Job's, at most as many of either.
    pub pods: Vec<PodFacts>,
    /// The migration Job that [`super::names::migration_job`] names for this spec.
    pub migration_job: Option<JobFacts>,
    /// Every other migration Job of this `ErpGo`.
    pub other_migration_jobs: Vec<JobFacts>,
    /// The autoscaler.
    pub hpa: Option<HpaFacts>,
    /// What the API server said when it last refused a write of ours or of a controller on our
    /// behalf: a quota, an admission webhook, a port in use.
    pub quota_denied: Option<String>,
    /// Optional APIs of the cluster.
    pub available_apis: ApiPresence,
    /// Acknowledgements of the current generation.
    pub acks: Option<AckFacts>,
    /// What the API's pods say of their dependencies, one entry for each that is away.
    pub complaints: Vec<Complaint>,
    /// Kids and dates of the secret set, when it is valid.
    pub document: Option<DocumentView>,
    /// Keys whose source in the spec holds a value that the secret set does not have.
    pub changed: BTreeSet<KeyName>,
    /// Versions of a URL that log in as one of the two that take turns with it.
    pub logins: BTreeMap<LoginKey, BTreeMap<Kid, String>>,
    /// Jobs that change passwords of those logins.
    pub errands: Vec<ErrandView>,
}

/// Whether something that the user provides is there and usable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SecretSource {
    /// It is.
    Present,
    /// The Secret is not there.
    #[default]
    Missing,
    /// The Secret lacks a key.
    KeyMissing {
        /// The key.
        key: String,
    },
    /// The value cannot be what it should be.
    Invalid {
        /// Why, without the value.
        reason: String,
    },
}

/// The secret set in its backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SecretSetState {
    /// The backend answers and holds none.
    #[default]
    Absent,
    /// It is there and valid.
    Present {
        /// Its generation.
        generation: u64,
    },
    /// It is there and no pod would accept it.
    Invalid {
        /// Every fault, without values.
        reasons: Vec<String>,
    },
    /// The backend cannot be asked.
    Unreachable {
        /// A fixed word for the kind of failure.
        class: String,
        /// What happened, without values.
        message: String,
    },
}

impl SecretSetState {
    /// Its generation, where it is there and valid.
    #[must_use]
    pub const fn generation(&self) -> Option<Generation> {
        match self {
            Self::Present { generation } => Some(Generation(*generation)),
            _ => None,
        }
    }
}

/// What is read of a Deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentFacts {
    /// Image of the container `app`.
    pub image: String,
    /// Image of the container `secrets` if the operator applied it; none when somebody else has
    /// written that field since.
    pub sidecar_image: Option<String>,
    /// `metadata.generation`.
    pub generation: i64,
    /// `status.observedGeneration`.
    pub observed_generation: i64,
    /// `spec.replicas`.
    pub wanted: i32,
    /// `status.replicas`: old and new pods.
    pub replicas: i32,
    /// `status.updatedReplicas`.
    pub updated: i32,
    /// `status.readyReplicas`.
    pub ready: i32,
    /// `status.availableReplicas`.
    pub available: i32,
    /// Condition Progressing is False with reason ProgressDeadlineExceeded.
    pub deadline_exceeded: bool,
    /// Message of the condition ReplicaFailure: pods that the API server refuses.
    pub replica_failure: Option<String>,
    /// Annotation [`super::names::SPEC_HASH`].
    pub spec_hash: Option<String>,
    /// `spec.paused`.
    pub paused: bool,
}

/// What a pod belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PodComponent {
    /// The Deployment.
    #[default]
    Api,
    /// The migration Job.
    Migration,
}

/// What is read of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodFacts {
    /// Name.
    pub name: String,
    /// Address.
    pub ip: Option<IpAddr>,
    /// What it belongs to.
    pub component: PodComponent,
    /// Since when its sidecar has run without a restart.
    pub sidecar_started_at: Option<Timestamp>,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// What its sidecar says, when it has an address and answers.
    pub secrets: Option<PodState>,
    /// Whether all its containers have ended for good.
    pub ended: bool,
    /// Image of its main container.
    pub image: String,
    /// Why a container does not start.
    pub waiting: Option<ContainerWaiting>,
    /// How a container ended last.
    pub terminated: Option<ContainerTerminated>,
    /// Message of PodScheduled=False, when no node takes it.
    pub unschedulable: Option<String>,
}

impl PodFacts {
    /// The class of its sidecar's last failure to read the secret set; none when it has read it.
    #[must_use]
    pub fn failure(&self) -> Option<&ToldClass> {
        self.secrets.as_ref()?.backend.error_class.as_ref()
    }
}

/// Why a container does not start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerWaiting {
    /// Name of the container.
    pub container: String,
    /// For example `ImagePullBackOff`.
    pub reason: String,
    /// The kubelet's words.
    pub message: String,
}

/// How a container ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerTerminated {
    /// Name of the container.
    pub container: String,
    /// Exit code.
    pub exit_code: i32,
    /// For example `OOMKilled`.
    pub reason: String,
    /// Its termination message, at most [`MAX_MESSAGE_BYTES`].
    pub message: String,
    /// When.
    pub finished_at: Option<Timestamp>,
}

/// What is read of the autoscaler.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HpaFacts {
    /// `status.currentReplicas`.
    pub current: i32,
    /// `status.desiredReplicas`.
    pub desired: i32,
    /// That it cannot see the load.
    pub blind: Option<Blindness>,
}

/// The condition ScalingActive=False.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Blindness {
    /// Since when.
    pub since: Option<Timestamp>,
    /// Why, in the controller's words.
    pub message: String,
}

/// Which optional APIs the cluster serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiPresence {
    /// `monitoring.coreos.com/v1` ServiceMonitor.
    pub service_monitor: bool,
    /// `monitoring.coreos.com/v1` PrometheusRule.
    pub prometheus_rule: bool,
    /// `gateway.networking.k8s.io/v1` HTTPRoute.
    pub http_route: bool,
}

/// How many pods hold the current generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AckFacts {
    /// Pods that acknowledged it.
    pub acknowledged: i32,
    /// Pods that can serve.
    pub total: i32,
}

/// What a pod of the API relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Dependency {
    /// PostgreSQL: without it no request is served.
    Database,
    /// Redis: without it the database answers.
    Redis,
}

impl Dependency {
    /// Its name in the pods' answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Redis => "redis",
        }
    }
}

/// What pods say of one dependency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Complaint {
    /// Of what.
    pub dependency: Dependency,
    /// In their words.
    pub reason: String,
    /// How many pods say so.
    pub pods: i32,
}
