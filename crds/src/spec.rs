//! The root of the resource.
//!
//! Owns [`ErpGo`] and the order in which its parts are read.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Autoscaling, Database, DisruptionBudget, ErpGoStatus, HttpRoute, Ingress, LocalName, Mail,
    Migrations, Monitoring, NetworkPolicy, PullPolicy, Redis, Resources, Secrets, Service,
    Settings, Termination, Tracing,
};

/// One running ERP API: its image, its database, its secrets and how it is exposed.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "erpgo.io",
    version = "v1alpha1",
    kind = "ErpGo",
    plural = "erpgos",
    shortname = "erp",
    category = "all",
    namespaced,
    status = "ErpGoStatus",
    derive = "PartialEq",
    doc = "An ERP REST API that the operator migrates, deploys and watches.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.readyReplicas"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.servingImage"),
    printcolumn(name = "Secrets", type_ = "integer", json_path = ".status.secretSet.generation"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name must be at most 40 characters of a-z, 0-9 and '-', beginning with a letter: the names of children are built from it"),
)]
#[x_kube(
    validation = Rule::new("!(has(self.autoscaling) && has(self.replicas))")
        .message("spec.replicas and spec.autoscaling exclude each other: remove spec.replicas and set spec.autoscaling.minReplicas"),
    validation = Rule::new("!(has(self.ingress) && has(self.httpRoute))")
        .message("spec.ingress and spec.httpRoute exclude each other: keep the one that your cluster serves"),
    validation = Rule::new("self.termination.gracePeriodSeconds > self.termination.preStopSeconds + self.termination.drainSeconds")
        .message("spec.termination.gracePeriodSeconds must be greater than preStopSeconds + drainSeconds: otherwise requests in flight are cut")
)]
#[serde(rename_all = "camelCase")]
pub struct ErpGoSpec {
    /// Image of the API, for example `registry.example.com/erpgo:1.4.0`. Required. A change runs the
    /// new image's migrations in a Job first and then rolls the pods; a tag that moves without a change
    /// here is not noticed.
    #[schemars(length(min = 1, max = 500))]
    pub image: String,
    /// When the image is pulled. Default `IfNotPresent`. A change rolls the pods.
    #[serde(default)]
    pub image_pull_policy: PullPolicy,
    /// Pull secrets in this namespace, at most 8. Default none. A change rolls the pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub image_pull_secrets: Vec<LocalName>,
    /// Pods of the API, 0 to 100. Default 2 when there is no `autoscaling`. A change scales at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub replicas: Option<i32>,
    /// Scales by CPU use of the API's container instead of a fixed `replicas`. Default off. A change
    /// takes hold at once; while it is set the operator never writes the replica count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// CPU and memory of the API's container. Default `100m` and `64Mi` reserved, `256Mi` at most. A
    /// change rolls the pods.
    #[serde(default = "Resources::of_the_app")]
    pub resources: Resources,
    /// PostgreSQL 15 or newer. Required. What a change does, its fields say.
    pub database: Database,
    /// Redis 7 or newer, for caches and limits. Default none: the API then works from PostgreSQL and
    /// in-process state. A change takes hold at once and restarts no pod: one that is added and that a
    /// pod cannot use is taken out again, which the condition `Degraded` tells, and tried again after an
    /// hour; one that is removed is let go of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<Redis>,
    /// Where the secret set lives and how pods read it. Default: a Kubernetes Secret. What a change
    /// does, its fields say.
    #[serde(default)]
    pub secrets: Secrets,
    /// How schema migrations run before a new image serves. Default: what its fields say. A change
    /// counts for the next Job.
    #[serde(default)]
    pub migrations: Migrations,
    /// Settings of the API itself. Default: what its fields say. A change reaches running pods through
    /// the mounted ConfigMap within about a minute, with no restart; one of `cors` or `http` rolls the
    /// pods.
    #[serde(default)]
    pub settings: Settings,
    /// The first administrator, created once by the first migration. Default: an account
    /// `admin@NAME.local` whose generated password the operator puts into the Secret `NAME-admin`.
    /// A later change has no effect on an account that exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap_admin: Option<BootstrapAdmin>,
    /// The Service in front of the pods. Default: port 80 inside the cluster. A change takes hold at
    /// once.
    #[serde(default)]
    #[x_kube(validation = Rule::new("!has(self.nodePort) || self.type in ['NodePort', 'LoadBalancer']")
        .message("spec.service.nodePort needs spec.service.type NodePort or LoadBalancer"))]
    pub service: Service,
    /// An Ingress to the Service. Default none. Excludes `httpRoute`. A change takes hold at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Ingress>,
    /// A Gateway API HTTPRoute to the Service. Default none. Excludes `ingress`. A change takes hold at
    /// once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_route: Option<HttpRoute>,
    /// Which pods may reach the API's pods. Default: what its field says. A change takes hold at once.
    #[serde(default)]
    pub network_policy: NetworkPolicy,
    /// How many pods a node drain may take away at once. Default: one. A change takes hold at once.
    #[serde(default)]
    pub disruption_budget: DisruptionBudget,
    /// How a pod ends. Default: what its fields say. A change rolls the pods.
    #[serde(default)]
    pub termination: Termination,
    /// Metrics scraping and alert rules, where the prometheus-operator is installed. Default: both. A
    /// change takes hold at once.
    #[serde(default)]
    pub monitoring: Monitoring,
    /// Outgoing mail. Default none: mails wait in the outbox of the database. A change rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<Mail>,
    /// Export of traces. Default none. A change rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracing: Option<Tracing>,
    /// Stops all writes of the operator for this resource; pods keep serving. Default false. A change
    /// takes hold at once; the condition `Paused` shows it.
    #[serde(default)]
    pub paused: bool,
    /// What happens to the secret set and the generated admin Secret when this resource is deleted.
    /// Default `Retain`. The database is never touched. A change counts until the deletion.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// Where the first administrator's e-mail and password come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapAdmin {
    /// A Secret in this namespace with the keys `email` and `password`. Required. A later change has no
    /// effect on an account that exists.
    pub secret_ref: LocalName,
}

/// What a deletion removes beside the children.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Keep the secret set in its backend and the generated admin Secret.
    #[default]
    Retain,
    /// Delete them too. Tokens and password hashes become useless for ever.
    Delete,
}
