//! What is read of the Deployment.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus};
use k8s_openapi::api::core::v1::Container;
use kube::ResourceExt as _;

use super::refusals;
use crate::reconcile::names::SPEC_HASH;
use crate::reconcile::observed::DeploymentFacts;

pub(super) fn facts(live: &Deployment) -> DeploymentFacts {
    let spec = live.spec.clone().unwrap_or_default();
    let status = live.status.clone().unwrap_or_default();
    let pod = spec.template.spec.unwrap_or_default();
    DeploymentFacts {
        image: image(&pod.containers, "app"),
        sidecar_image: image(
            pod.init_containers.as_deref().unwrap_or_default(),
            "secrets",
        ),
        generation: live.metadata.generation.unwrap_or(0),
        observed_generation: status.observed_generation.unwrap_or(0),
        wanted: spec.replicas.unwrap_or(1),
        replicas: status.replicas.unwrap_or(0),
        updated: status.updated_replicas.unwrap_or(0),
        ready: status.ready_replicas.unwrap_or(0),
        available: status.available_replicas.unwrap_or(0),
        deadline_exceeded: condition(&status, "Progressing").is_some_and(|c| {
            c.status == "False" && c.reason.as_deref() == Some("ProgressDeadlineExceeded")
        }),
        replica_failure: condition(&status, "ReplicaFailure")
            .filter(|c| c.status == "True")
            .map(|c| refusals::why(c.message.as_deref().unwrap_or_default())),
        spec_hash: live.annotations().get(SPEC_HASH).cloned(),
        paused: spec.paused.unwrap_or(false),
    }
}

fn image(containers: &[Container], name: &str) -> String {
    let found = containers.iter().find(|container| container.name == name);
    found
        .and_then(|container| container.image.clone())
        .unwrap_or_default()
}

fn condition<'a>(status: &'a DeploymentStatus, type_: &str) -> Option<&'a DeploymentCondition> {
    let mut conditions = status.conditions.iter().flatten();
    conditions.find(|condition| condition.type_ == type_)
}
