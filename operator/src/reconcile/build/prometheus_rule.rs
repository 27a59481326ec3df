//! The PrometheusRule: alerts on the API's metrics.
//!
//! Owns the object around [`alerts::rules`]; what an alert says is decided there.

use serde_json::{Value, json};

use super::alerts::{self, Scope};

/// The rules as a file of Prometheus has them, which is also the object's `spec`.
#[must_use]
pub fn spec(scope: &Scope<'_>) -> Value {
    let rules: Vec<Value> = alerts::rules(scope)
        .iter()
        .map(|rule| rule.to_value(scope))
        .collect();
    json!({
        "groups": [{ "name": format!("erpgo-{}", scope.name), "rules": rules }],
    })
}
