//! OWASP API Security Top 10 (2023), one module a risk.

mod api01_object_level;
mod api02_authentication;
mod api03_properties;
mod api04_consumption;
mod api05_functions;
mod api06_business_flows;
mod api07_ssrf;
mod api08_configuration;
mod api09_inventory;
mod api10_consumed_apis;

use serde_json::{Map, Value};

/// The properties of the JSON that `operation` takes.
fn properties(operation: &Value) -> Map<String, Value> {
    let document = serde_json::to_value(erpgo::router::document()).unwrap();
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
    let path = schema.as_str().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let properties = &document["components"]["schemas"][name]["properties"];
    properties.as_object().cloned().unwrap_or_default()
}
