//! A spec that can be built.
//!
//! Owns [`ValidErpGo`]: the only input of the builders. What is optional in the spec is resolved
//! here into a choice, so that no builder asks again. It is made by [`super::validate::validate`]
//! alone.

use std::collections::BTreeMap;

use erpgo_crds::{
    Autoscaling, AwsWebIdentity, HttpRoute, Ingress, Mail, Migrations, Monitoring, Pool,
    PullPolicy, Resources, Rotation, SecretKey, Service, Settings, Termination, Tracing,
    VaultAppRole, VaultJwtAuth, VaultKubernetesAuth,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;

use super::names::{Component, Names};
use crate::rotation::{LoginKey, Triggers};

/// A spec without faults.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidErpGo {
    /// Names of the children.
    pub names: Names,
    /// Who owns them.
    pub owner: OwnerReference,
    /// Wanted image.
    pub image: String,
    /// When it is pulled.
    pub pull_policy: PullPolicy,
    /// Pull secrets.
    pub pull_secrets: Vec<String>,
    /// How many pods.
    pub scale: Scale,
    /// CPU and memory of the container `app`.
    pub resources: Resources,
    /// Where the database's URL lies.
    pub database: SecretKey,
    /// Which logins take turns, at each server where the operator changes their passwords.
    pub turns: BTreeMap<LoginKey, ValidTurns>,
    /// Connections of each pod.
    pub pool: Pool,
    /// Where Redis' URL lies.
    pub redis: Option<SecretKey>,
    /// Where the secret set lies.
    pub backend: SecretBackend,
    /// The container that renders it.
    pub sidecar: ValidSidecar,
    /// When its keys are rotated.
    pub rotation: Rotation,
    /// Rotations and revocations that annotations ask for.
    pub triggers: Triggers,
    /// Version of the database on which migrations that pods miss there may run again.
    pub migrate: Option<String>,
    /// How migrations run.
    pub migrations: Migrations,
    /// Name of the migration Job.
    pub migration_job: String,
    /// Settings of the API.
    pub settings: Settings,
    /// Where the first administrator comes from.
    pub bootstrap: Bootstrap,
    /// The Service.
    pub service: Service,
    /// The way in from outside.
    pub exposure: Exposure,
    /// Whether there is a NetworkPolicy.
    pub network_policy: bool,
    /// Pods that a disruption may take; none makes no PodDisruptionBudget.
    pub max_unavailable: Option<i32>,
    /// How a pod ends.
    pub termination: Termination,
    /// Metrics and alerts.
    pub monitoring: Monitoring,
    /// Outgoing mail.
    pub mail: Option<Mail>,
    /// Traces.
    pub tracing: Option<Tracing>,
}

impl ValidErpGo {
    /// Metadata of a child that goes with the `ErpGo`.
    #[must_use]
    pub fn metadata(&self, name: impl Into<String>, component: Component) -> ObjectMeta {
        ObjectMeta {
            owner_references: Some(vec![self.owner.clone()]),
            ..self.names.metadata(name, component)
        }
    }

    /// [`Self::metadata`] with annotations; none leaves the field out.
    #[must_use]
    pub fn annotated(
        &self,
        component: Component,
        annotations: &BTreeMap<String, String>,
    ) -> ObjectMeta {
        ObjectMeta {
            annotations: (!annotations.is_empty()).then(|| annotations.clone()),
            ..self.metadata(self.names.base(), component)
        }
    }

    /// Most pods that there can be, one of a rollout's surge not counted.
    #[must_use]
    pub fn most_pods(&self) -> i32 {
        match &self.scale {
            Scale::Fixed(replicas) => *replicas,
            Scale::Auto(autoscaling) => autoscaling.max_replicas,
        }
    }
}

/// How many pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scale {
    /// This many.
    Fixed(i32),
    /// As the autoscaler says; the operator never writes the number (I-07).
    Auto(Autoscaling),
}

impl Scale {
    /// Fewest pods.
    #[must_use]
    pub const fn least(&self) -> i32 {
        match self {
            Self::Fixed(replicas) => *replicas,
            Self::Auto(autoscaling) => autoscaling.min_replicas,
        }
    }
}

/// Where the secret set lies.
#[derive(Clone, Debug, PartialEq)]
pub enum SecretBackend {
    /// In the Secret `NAME-secret-set`.
    Kubernetes,
    /// In Vault or OpenBao.
    Vault(Vault),
    /// In AWS Secrets Manager.
    Aws(Aws),
}

/// A document in AWS Secrets Manager.
#[derive(Clone, Debug, PartialEq)]
pub struct Aws {
    /// Region.
    pub region: String,
    /// Name of the secret.
    pub secret_id: String,
    /// Secrets Manager where it is not the region's own.
    pub endpoint: Option<String>,
    /// STS where it is not the region's own.
    pub sts_endpoint: Option<String>,
    /// Whether plain http was allowed.
    pub allow_http: bool,
    /// ConfigMap and key with CA certificates.
    pub ca: Option<(String, String)>,
    /// How to log in.
    pub login: AwsLogin,
}

/// How to log in to AWS.
#[derive(Clone, Debug, PartialEq)]
pub enum AwsLogin {
    /// By assuming a role with a projected ServiceAccount token.
    WebIdentity(AwsWebIdentity),
    /// With what the node's agent gives the pod.
    PodIdentity,
    /// With the access key in this Secret.
    Static(String),
}

/// A document in Vault.
#[derive(Clone, Debug, PartialEq)]
pub struct Vault {
    /// `https://host:port`.
    pub address: String,
    /// Whether plain http was allowed.
    pub allow_http: bool,
    /// Vault namespace.
    pub namespace: Option<String>,
    /// Mount of the KV engine.
    pub mount: String,
    /// Path within it.
    pub path: String,
    /// ConfigMap and key with CA certificates.
    pub ca: Option<(String, String)>,
    /// How to log in.
    pub login: VaultLogin,
}

/// How to log in to Vault.
#[derive(Clone, Debug, PartialEq)]
pub enum VaultLogin {
    /// With a projected ServiceAccount token.
    Kubernetes(VaultKubernetesAuth),
    /// With a projected ServiceAccount token that Vault checks by itself.
    Jwt(VaultJwtAuth),
    /// With a role id and a secret id.
    AppRole(VaultAppRole),
}

/// Two database roles or Redis users that take turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidTurns {
    /// The two.
    pub pair: [String; 2],
    /// Where the URL lies of who changes their passwords.
    pub admin: SecretKey,
}

/// The native sidecar.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidSidecar {
    /// The image that the spec names.
    pub image: Option<String>,
    /// Seconds between polls.
    pub poll_interval_seconds: i32,
    /// CPU and memory.
    pub resources: Resources,
}

/// Where the first administrator comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bootstrap {
    /// The operator makes the Secret `NAME-admin`.
    Generated,
    /// From this Secret.
    Given(String),
}

/// The way in from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// The Service alone.
    ServiceOnly,
    /// An Ingress.
    Ingress(Ingress),
    /// An HTTPRoute.
    HttpRoute(HttpRoute),
}
