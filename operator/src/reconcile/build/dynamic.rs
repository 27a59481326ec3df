//! Objects of optional APIs, whose types are not compiled in.
//!
//! Owns their API versions and kinds.

use kube::api::{DynamicObject, ObjectMeta, TypeMeta};
use serde_json::{Value, json};

/// API version and kind.
pub type ApiKind = (&'static str, &'static str);
/// The Gateway API's route.
pub const HTTP_ROUTE: ApiKind = ("gateway.networking.k8s.io/v1", "HTTPRoute");
/// The prometheus-operator's scrape target.
pub const SERVICE_MONITOR: ApiKind = ("monitoring.coreos.com/v1", "ServiceMonitor");
/// The prometheus-operator's rules.
pub const PROMETHEUS_RULE: ApiKind = ("monitoring.coreos.com/v1", "PrometheusRule");

pub(super) fn object(kind: ApiKind, metadata: ObjectMeta, spec: Value) -> DynamicObject {
    DynamicObject {
        types: Some(TypeMeta {
            api_version: kind.0.into(),
            kind: kind.1.into(),
        }),
        metadata,
        data: json!({ "spec": spec }),
    }
}
