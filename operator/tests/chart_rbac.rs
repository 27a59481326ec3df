//! The chart's rights are those of the list in the code, verb for verb.
//!
//! Reads the chart's committed renders; that these are current is tested beside the chart.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;
use std::path::Path;

use erpgo_operator::runtime::permissions::{Need, PERMISSIONS, Scope};
use serde_json::Value;

/// Group and resource, with verbs.
type Rights = BTreeMap<(String, String), Vec<String>>;

fn rendered(name: &str, kind: &str, wanted: &str) -> Rights {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../charts/erpgo-operator/ci/golden")
        .join(format!("{name}.yaml"));
    let text = std::fs::read_to_string(path).unwrap();
    let role = format!("\n{text}")
        .split("\n---\n")
        .map(|document| serde_saphyr::from_str::<Value>(document).unwrap())
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == wanted)
        .unwrap();
    let texts = |list: &Value| -> Vec<String> {
        let items = list.as_array().unwrap().iter();
        items
            .map(|item| item.as_str().unwrap().to_owned())
            .collect()
    };
    let mut rights = Rights::new();
    for rule in role["rules"].as_array().unwrap() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                let before = rights.insert((group.clone(), resource), texts(&rule["verbs"]));
                assert_eq!(before, None, "granted twice: {rule}");
            }
        }
    }
    rights
}

fn listed(scope: Scope, needs: &[Need]) -> Rights {
    PERMISSIONS
        .iter()
        .filter(|permission| permission.scope == scope && needs.contains(&permission.need))
        .map(|permission| {
            let key = (permission.group.to_owned(), permission.resource.to_owned());
            let verbs = permission.verbs.iter().map(|verb| (*verb).to_owned());
            (key, verbs.collect())
        })
        .collect()
}

#[test]
fn the_cluster_role_is_the_list() {
    let needs = [
        Need::Always,
        Need::Monitoring,
        Need::GatewayApi,
        Need::VaultKubernetesAuth,
    ];
    let wanted = listed(Scope::Watched, &needs);
    assert_eq!(rendered("default", "ClusterRole", "erpgo-operator"), wanted);
}

#[test]
fn the_role_of_one_namespace_without_options_is_the_list_without_options() {
    let wanted = listed(Scope::Watched, &[Need::Always]);
    assert_eq!(rendered("namespaced", "Role", "erpgo-operator"), wanted);
}

#[test]
fn the_lease_is_all_that_is_granted_in_the_operators_own_namespace() {
    let wanted = listed(Scope::Own, &[Need::LeaderElection]);
    assert_eq!(wanted.len(), 1);
    assert_eq!(rendered("default", "Role", "erpgo-operator-lease"), wanted);
}
