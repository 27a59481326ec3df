//! Resources, disruption, network and end of the pods.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PullPolicy {
    /// Only when the node does not have it.
    #[default]
    IfNotPresent,
    /// At every start.
    Always,
    /// Never; the node must have it.
    Never,
}

/// CPU and memory of one container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// CPU that is reserved, in cores, for example `100m`, which is a tenth of one. Required. The
    /// autoscaler's target is a share of this. A change rolls the pods.
    pub cpu_request: Quantity,
    /// Memory that is reserved, in bytes, for example `64Mi`. Required. A change rolls the pods.
    pub memory_request: Quantity,
    /// CPU above which the container is throttled, in cores. Default none. A change rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_limit: Option<Quantity>,
    /// Memory above which the container is killed, in bytes, for example `256Mi`. Default none where
    /// the requests are given. A change rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<Quantity>,
}

impl Resources {
    /// The default of the API's container.
    #[must_use]
    pub fn of_the_app() -> Self {
        Self::of("100m", "64Mi", "256Mi")
    }

    /// The default of the sidecar.
    #[must_use]
    pub fn of_the_sidecar() -> Self {
        Self::of("10m", "8Mi", "32Mi")
    }

    fn of(cpu: &str, memory: &str, memory_limit: &str) -> Self {
        Self {
            cpu_request: Quantity(cpu.into()),
            memory_request: Quantity(memory.into()),
            cpu_limit: None,
            memory_limit: Some(Quantity(memory_limit.into())),
        }
    }
}

/// Pods that a voluntary disruption may take away at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DisruptionBudget {
    /// Whether a PodDisruptionBudget is made. Default true; with fewer than two pods none is made,
    /// since it could only block a drain for ever. A change takes hold at once.
    pub enabled: bool,
    /// Pods that may be away at once, 1 to 100. Default 1. A change takes hold at once.
    #[schemars(range(min = 1, max = 100))]
    pub max_unavailable: i32,
}

impl Default for DisruptionBudget {
    fn default() -> Self {
        Self {
            enabled: true,
            max_unavailable: 1,
        }
    }
}

/// Which pods may reach the API's pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkPolicy {
    /// Whether a NetworkPolicy is made. Default true: the API port is open to all, the metrics port to
    /// all namespaces, the sidecar's control port to the operator alone. A change takes hold at once.
    pub enabled: bool,
}

impl Default for NetworkPolicy {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// How a pod ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Termination {
    /// Seconds from the order to end until SIGKILL, 5 to 600. Default 45; must exceed the other two
    /// together. A change rolls the pods.
    #[schemars(range(min = 5, max = 600))]
    pub grace_period_seconds: i32,
    /// Seconds that the pod goes on serving after it is told to end, until every load balancer has
    /// noticed, 0 to 120. Default 5. A change rolls the pods.
    #[schemars(range(min = 0, max = 120))]
    pub pre_stop_seconds: i32,
    /// Seconds that requests in flight may take to finish, 1 to 300. Default 30. A change rolls the
    /// pods.
    #[schemars(range(min = 1, max = 300))]
    pub drain_seconds: i32,
}

impl Default for Termination {
    fn default() -> Self {
        Self {
            grace_period_seconds: 45,
            pre_stop_seconds: 5,
            drain_seconds: 30,
        }
    }
}
