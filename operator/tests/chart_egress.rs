//! Where egress is closed, what the operator asks of pods still reaches them.
//!
//! Reads the chart's committed render with closed egress, and what it tells of the rules.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::path::Path;

use erpgo_operator::{acks, complaints};
use serde_json::Value;

const OF_PODS: [u16; 2] = [acks::PORT, complaints::PORT];

fn chart(relative: &str) -> String {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/erpgo-operator");
    std::fs::read_to_string(chart.join(relative)).unwrap()
}

#[test]
fn the_render_with_closed_egress_leaves_the_ports_of_pods_open() {
    let text = chart("ci/golden/production.yaml");
    let policy = format!("\n{text}")
        .split("\n---\n")
        .map(|document| serde_saphyr::from_str::<Value>(document).unwrap())
        .find(|object| object["kind"] == "NetworkPolicy")
        .unwrap();
    let rules = policy["spec"]["egress"].as_array().unwrap();
    // A rule without peers counts for every pod.
    let everywhere = rules.iter().filter(|rule| rule["to"].is_null());
    let ports = everywhere.flat_map(|rule| rule["ports"].as_array().unwrap());
    let open: Vec<&Value> = ports
        .filter(|port| port["protocol"] == "TCP")
        .map(|port| &port["port"])
        .collect();
    for port in OF_PODS {
        assert!(
            open.contains(&&Value::from(port)),
            "{port} is not in {open:?}"
        );
    }
}

#[test]
fn whoever_closes_egress_is_told_of_the_ports_of_pods() {
    let readme = chart("README.md");
    let row = "| `networkPolicy.egress` ";
    let row = readme.lines().find(|line| line.starts_with(row)).unwrap();
    let values = chart("values.yaml");
    let (before, _) = values.split_once("\n  egress: []").unwrap();
    let (_, comment) = before.rsplit_once("# Rules of egress.").unwrap();
    for port in OF_PODS {
        for text in [row, comment] {
            assert!(text.contains(&port.to_string()), "{port} is not in: {text}");
        }
    }
}
