//! The NetworkPolicy of the pods.
//!
//! Owns who may connect to which port. The control port, over which the operator nudges the sidecar,
//! is open to the operator's pods alone.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::pod::{CONTROL, HTTP, METRICS, Port};
use crate::reconcile::names::{COMPONENT_LABEL, Component, NAME_LABEL, OPERATOR};
use crate::reconcile::valid::ValidErpGo;

const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";

/// The policy, when one is wanted.
#[must_use]
pub fn network_policy(app: &ValidErpGo, operator_namespace: &str) -> Option<NetworkPolicy> {
    app.network_policy.then(|| NetworkPolicy {
        metadata: app.metadata(app.names.base(), Component::Api),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(all_pods(app)),
            policy_types: Some(vec!["Ingress".into()]),
            ingress: Some(vec![
                rule(HTTP, None),
                rule(METRICS, Some(any_namespace())),
                rule(CONTROL, Some(operator(operator_namespace))),
            ]),
            ..NetworkPolicySpec::default()
        }),
    })
}

// Pods of the migration Job too: they have a control port as well.
fn all_pods(app: &ValidErpGo) -> LabelSelector {
    let mut labels = app.names.selector();
    labels.remove(COMPONENT_LABEL);
    selector(labels)
}

fn rule(port: Port, from: Option<NetworkPolicyPeer>) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        from: from.map(|peer| vec![peer]),
        ports: Some(vec![NetworkPolicyPort {
            port: Some(IntOrString::Int(port.number.into())),
            protocol: Some("TCP".into()),
            ..NetworkPolicyPort::default()
        }]),
    }
}

fn any_namespace() -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector::default()),
        ..NetworkPolicyPeer::default()
    }
}

fn operator(namespace: &str) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        namespace_selector: Some(selector(one(NAMESPACE_LABEL, namespace))),
        pod_selector: Some(selector(one(NAME_LABEL, OPERATOR))),
        ..NetworkPolicyPeer::default()
    }
}

fn one(key: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(key.to_owned(), value.to_owned())])
}

fn selector(labels: BTreeMap<String, String>) -> LabelSelector {
    LabelSelector {
        match_labels: Some(labels),
        ..LabelSelector::default()
    }
}
