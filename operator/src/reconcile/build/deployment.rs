//! The Deployment of the API.
//!
//! Owns how pods are replaced: none goes before its successor is ready. Under an autoscaler the field
//! `replicas` is absent (I-07).

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec, TopologySpreadConstraint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::pod::{app_container, pod_spec, volumes};
use crate::reconcile::names::{Component, SPEC_HASH, short_hash};
use crate::reconcile::valid::{Scale, ValidErpGo};

/// What the pods run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Image of the API: one whose migrations have succeeded (I-01).
    pub app: String,
    /// Image of the sidecar.
    pub sidecar: String,
}

/// The pods of the API.
#[must_use]
pub fn deployment(app: &ValidErpGo, images: &Images) -> Deployment {
    let spec = DeploymentSpec {
        replicas: match app.scale {
            Scale::Fixed(replicas) => Some(replicas),
            Scale::Auto(_) => None,
        },
        selector: app.names.label_selector(),
        strategy: Some(strategy()),
        revision_history_limit: Some(3),
        progress_deadline_seconds: Some(600),
        template: PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(app.names.labels(Component::Api)),
                ..ObjectMeta::default()
            }),
            spec: Some(pods(app, images)),
        },
        ..DeploymentSpec::default()
    };
    let hash =
        serde_json::to_string(&spec).map_or_else(|_| String::new(), |spec| short_hash(&[&spec]));
    Deployment {
        metadata: ObjectMeta {
            annotations: Some(BTreeMap::from([(SPEC_HASH.to_owned(), hash)])),
            ..app.metadata(app.names.base(), Component::Api)
        },
        spec: Some(spec),
        status: None,
    }
}

fn strategy() -> DeploymentStrategy {
    DeploymentStrategy {
        type_: Some("RollingUpdate".into()),
        rolling_update: Some(RollingUpdateDeployment {
            max_surge: Some(IntOrString::String("25%".into())),
            max_unavailable: Some(IntOrString::Int(0)),
        }),
    }
}

fn pods(app: &ValidErpGo, images: &Images) -> PodSpec {
    let container = app_container::container(app, &images.app);
    let mut spec = pod_spec(app, container, &images.sidecar);
    spec.volumes
        .get_or_insert_default()
        .extend(volumes::mail(app));
    PodSpec {
        termination_grace_period_seconds: Some(app.termination.grace_period_seconds.into()),
        topology_spread_constraints: Some(vec![
            spread(app, "topology.kubernetes.io/zone"),
            spread(app, "kubernetes.io/hostname"),
        ]),
        ..spec
    }
}

// A wish, not a rule: on one node, all pods run there.
fn spread(app: &ValidErpGo, topology_key: &str) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        topology_key: topology_key.into(),
        max_skew: 1,
        when_unsatisfiable: "ScheduleAnyway".into(),
        label_selector: Some(app.names.label_selector()),
        match_label_keys: Some(vec!["pod-template-hash".into()]),
        ..TopologySpreadConstraint::default()
    }
}
