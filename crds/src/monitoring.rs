//! Metrics, alerts and traces.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Metrics scraping and alert rules. They are made where the prometheus-operator's CRDs exist; where
/// they do not, the condition `MonitoringReady` says so and all else goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Monitoring {
    /// Whether a ServiceMonitor is made; without it there is no PrometheusRule either. Default true. A
    /// change takes hold at once.
    pub enabled: bool,
    /// Seconds between scrapes, 5 to 300. Default 30. A change takes hold at once.
    #[schemars(range(min = 5, max = 300))]
    pub interval_seconds: i32,
    /// Labels of the ServiceMonitor and the PrometheusRule, for a Prometheus that selects by label, at
    /// most 16. Default none. A change takes hold at once.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub labels: BTreeMap<String, String>,
    /// Alert rules and their thresholds. Default: what its fields say. A change takes hold at once.
    pub alerts: Alerts,
}

impl Default for Monitoring {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_seconds: 30,
            labels: BTreeMap::new(),
            alerts: Alerts::default(),
        }
    }
}

/// Thresholds of the alerts. A live change takes hold at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Alerts {
    /// Whether a PrometheusRule is made. Default true. A change takes hold at once.
    pub enabled: bool,
    /// Responses with 5xx in percent of all, 1 to 100, above which `ErpGoHighErrorRate` pages. Default
    /// 5. A change takes hold at once.
    #[schemars(range(min = 1, max = 100))]
    pub error_rate_percent: i32,
    /// 99th percentile of latency in milliseconds, 10 to 60000, above which `ErpGoHighLatency` pages.
    /// Default 1000. A change takes hold at once.
    #[schemars(range(min = 10, max = 60000))]
    pub latency_p99_milliseconds: i32,
    /// Connections in use in percent of the pool, 10 to 100, above which
    /// `ErpGoConnectionPoolNearExhaustion` warns. Default 80. A change takes hold at once.
    #[schemars(range(min = 10, max = 100))]
    pub pool_usage_percent: i32,
    /// Cache hits in percent, 1 to 100, below which `ErpGoLowCacheHitRate` warns. Default 70. A change
    /// takes hold at once.
    #[schemars(range(min = 1, max = 100))]
    pub cache_hit_rate_percent: i32,
    /// Failed logins in percent of all, 1 to 100, above which `ErpGoHighAuthFailureRate` warns. Default
    /// 50. A change takes hold at once.
    #[schemars(range(min = 1, max = 100))]
    pub auth_failure_rate_percent: i32,
    /// Base of the runbook links; the alert's name is appended. Default
    /// `https://erpgo.io/docs/runbooks`. A change takes hold at once.
    #[schemars(length(min = 1, max = 300))]
    pub runbook_base_url: String,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            enabled: true,
            error_rate_percent: 5,
            latency_p99_milliseconds: 1000,
            pool_usage_percent: 80,
            cache_hit_rate_percent: 70,
            auth_failure_rate_percent: 50,
            runbook_base_url: "https://erpgo.io/docs/runbooks".into(),
        }
    }
}

/// Export of traces by OTLP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tracing {
    /// OTLP/HTTP endpoint, for example `http://otel-collector.observability:4318`. Required. A change
    /// rolls the pods.
    #[x_kube(validation = Rule::new("self.matches('^https?://.+$')")
        .message("spec.tracing.otlpEndpoint must be an http or https URL"))]
    #[schemars(length(max = 300))]
    pub otlp_endpoint: String,
    /// Share of requests that are traced, in percent, 0 to 100. Default 10. A change rolls the pods.
    #[serde(default = "Tracing::default_sample")]
    #[schemars(range(min = 0, max = 100))]
    pub sample_percent: i32,
}

impl Tracing {
    fn default_sample() -> i32 {
        10
    }
}
