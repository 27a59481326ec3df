//! The ServiceMonitor: which pods Prometheus scrapes, and under which labels.
//!
//! Owns the relabelings that give every series the labels `namespace`, `erpgo` and `pod`; the alerts
//! select by the first two. It must never scrape the sidecar's control port, which admits the operator
//! alone.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The object's `spec`: pods behind the Service with the labels `selector`, every `seconds`.
#[must_use]
pub fn spec(selector: &BTreeMap<String, String>, seconds: i32) -> Value {
    json!({
        "jobLabel": "app.kubernetes.io/name",
        "selector": { "matchLabels": selector },
        "endpoints": [{
            // The container's port: the Service, which may be open to the world, does not carry it.
            "targetPort": "metrics",
            "path": "/metrics",
            "scheme": "http",
            "interval": format!("{seconds}s"),
            // Within the shortest interval that the schema allows.
            "scrapeTimeout": format!("{}s", seconds.min(10)),
            "honorLabels": false,
            "relabelings": [
                relabeling("__meta_kubernetes_namespace", "namespace"),
                relabeling("__meta_kubernetes_service_label_app_kubernetes_io_instance", "erpgo"),
                relabeling("__meta_kubernetes_pod_name", "pod"),
            ],
        }],
    })
}

fn relabeling(source: &str, target: &str) -> Value {
    json!({ "action": "replace", "sourceLabels": [source], "targetLabel": target })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::build::pod::METRICS;

    fn endpoint(seconds: i32) -> Value {
        let selector = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let spec = spec(&selector, seconds);
        assert_eq!(spec["selector"], json!({ "matchLabels": { "a": "b" } }));
        let endpoints = spec["endpoints"].as_array().cloned().unwrap_or_default();
        assert_eq!(endpoints.len(), 1, "the control port is not scraped");
        endpoints[0].clone()
    }

    #[test]
    fn r11_1_the_pods_metrics_port_is_scraped_under_the_labels_that_alerts_select_by() {
        let endpoint = endpoint(30);
        assert_eq!(endpoint["targetPort"], METRICS.name);
        assert!(endpoint.get("port").is_none());
        let labels: Vec<&Value> = endpoint["relabelings"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|relabeling| &relabeling["targetLabel"])
            .collect();
        assert_eq!(labels, ["namespace", "erpgo", "pod"]);
    }

    #[test]
    fn a_scrape_never_takes_longer_than_the_time_between_two() {
        for (seconds, interval, timeout) in
            [(5, "5s", "5s"), (10, "10s", "10s"), (300, "300s", "10s")]
        {
            let endpoint = endpoint(seconds);
            assert_eq!(endpoint["interval"], interval);
            assert_eq!(endpoint["scrapeTimeout"], timeout);
        }
    }
}
