//! Scaling by load.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Bounds and target of the HorizontalPodAutoscaler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.minReplicas <= self.maxReplicas")
    .message("spec.autoscaling.minReplicas must be at most maxReplicas"))]
#[serde(rename_all = "camelCase")]
pub struct Autoscaling {
    /// Fewest pods, 1 to 100. Default 2. A change takes hold at once.
    #[serde(default = "Autoscaling::default_min")]
    #[schemars(range(min = 1, max = 100))]
    pub min_replicas: i32,
    /// Most pods, 1 to 100. Required. A change takes hold at once.
    #[schemars(range(min = 1, max = 100))]
    pub max_replicas: i32,
    /// CPU use of the API's container to aim at, in percent of its request, 10 to 95. Default 70. The
    /// sidecar does not count. A change takes hold at once.
    #[serde(default = "Autoscaling::default_target")]
    #[schemars(range(min = 10, max = 95))]
    pub target_cpu_percent: i32,
    /// Seconds of low load before pods are taken away, 0 to 3600. Default 300. A change takes hold at
    /// once.
    #[serde(default = "Autoscaling::default_scale_down")]
    #[schemars(range(min = 0, max = 3600))]
    pub scale_down_stabilization_seconds: i32,
}

impl Autoscaling {
    fn default_min() -> i32 {
        2
    }

    fn default_target() -> i32 {
        70
    }

    fn default_scale_down() -> i32 {
        300
    }
}
