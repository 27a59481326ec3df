//! What is read of the Deployment.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus};
use k8s_openapi::api::core::v1::Container;
use kube::ResourceExt as _;

use super::refusals;
use crate::reconcile::names::{FIELD_MANAGER, SPEC_HASH};
use crate::reconcile::observed::DeploymentFacts;

/// The sidecar's image, among the fields that a manager owns.
const SIDECAR_IMAGE: &str =
    r#"/f:spec/f:template/f:spec/f:initContainers/k:{"name":"secrets"}/f:image"#;

pub(super) fn facts(live: &Deployment) -> DeploymentFacts {
    let spec = live.spec.clone().unwrap_or_default();
    let status = live.status.clone().unwrap_or_default();
    let pod = spec.template.spec.unwrap_or_default();
    DeploymentFacts {
        image: image(&pod.containers, "app"),
        sidecar_image: pod
            .init_containers
            .filter(|_| applied_by_us(live, SIDECAR_IMAGE))
            .map(|containers| image(&containers, "secrets")),
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

// Whoever writes another value takes the field from all others. What a webhook made of ours counts as
// our update, and not as applied.
fn applied_by_us(live: &Deployment, field: &str) -> bool {
    live.managed_fields().iter().any(|entry| {
        entry.manager.as_deref() == Some(FIELD_MANAGER)
            && entry.operation.as_deref() == Some("Apply")
            && entry
                .fields_v1
                .as_ref()
                .is_some_and(|fields| fields.0.pointer(field).is_some())
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn owned_by(entries: &[(&str, &str)]) -> DeploymentFacts {
        let fields = json!({"f:spec": {"f:template": {"f:spec": {"f:initContainers": {
            r#"k:{"name":"secrets"}"#: {".": {}, "f:image": {}, "f:name": {}},
        }}}}});
        let entry = |(manager, operation): &(&str, &str)| json!({"manager": manager, "operation": operation, "fieldsV1": fields});
        let managed: Vec<Value> = entries.iter().map(entry).collect();
        let live = json!({
            "metadata": {"managedFields": managed},
            "spec": {"selector": {}, "template": {"spec": {
                "containers": [{"name": "app", "image": "erpgo:1"}],
                "initContainers": [
                    {"name": "injected", "image": "mesh"},
                    {"name": "secrets", "image": "sidecar-secrets:1"},
                ],
            }}},
        });
        facts(&serde_json::from_value(live).unwrap())
    }

    #[test]
    fn the_image_of_the_sidecar_is_told_while_the_operator_has_applied_it() {
        let ours = Some("sidecar-secrets:1".to_owned());
        assert_eq!(owned_by(&[(FIELD_MANAGER, "Apply")]).sidecar_image, ours);
        let shared = [("somebody", "Apply"), (FIELD_MANAGER, "Apply")];
        assert_eq!(owned_by(&shared).sidecar_image, ours);
        for theirs in [("kubectl-edit", "Update"), (FIELD_MANAGER, "Update")] {
            assert_eq!(owned_by(&[theirs]).sidecar_image, None, "{theirs:?}");
        }
        assert_eq!(owned_by(&[]).sidecar_image, None);
    }
}
