//! Leaves the replica count as it is when an autoscaler takes over.
//!
//! Owns one moment: `spec.replicas` gives way to `spec.autoscaling`. A field that its only owner
//! applies no more is reset to its default, here to one pod. So the count is first applied under a
//! second manager, which keeps it until the autoscaler writes (I-07).

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};

use super::apply::{Applier, to_json};
use super::error::ReconcileError;
use super::names::FIELD_MANAGER;
use super::objects::Wanted;

/// The manager that keeps the count meanwhile.
const KEEPER: &str = "erpgo-operator-handover";

/// Keeps the live count if `deployment` is about to drop it.
pub(super) async fn keep_replicas(
    applier: &Applier<'_>,
    deployment: &Wanted,
    seen: Option<&Deployment>,
) -> Result<(), ReconcileError> {
    let due = deployment.json.pointer("/spec/replicas").is_none();
    let Some(seen) = seen.filter(|_| due) else {
        return Ok(());
    };
    if count_that_is_ours_alone(&to_json(seen, &deployment.kind)?).is_none() {
        return Ok(());
    }
    // The count that is written must be that of now.
    let Some(live) = applier.read(&deployment.kind, &deployment.name).await? else {
        return Ok(());
    };
    let live = to_json(&live, &deployment.kind)?;
    let Some(count) = count_that_is_ours_alone(&live) else {
        return Ok(());
    };
    let keep = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": deployment.name},
        "spec": {"replicas": count},
    });
    applier.patch(deployment, KEEPER, &keep).await
}

fn count_that_is_ours_alone(live: &Value) -> Option<i64> {
    let managers = live.pointer("/metadata/managedFields")?.as_array()?;
    let owners: Vec<&str> = managers
        .iter()
        .filter(|entry| entry.pointer("/fieldsV1/f:spec/f:replicas").is_some())
        .filter_map(|entry| entry.get("manager")?.as_str())
        .collect();
    if owners != [FIELD_MANAGER] {
        return None;
    }
    live.pointer("/spec/replicas")?.as_i64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(owners: &[&str]) -> Value {
        let managed: Vec<Value> = owners
            .iter()
            .map(|owner| json!({"manager": owner, "fieldsV1": {"f:spec": {"f:replicas": {}}}}))
            .collect();
        json!({"metadata": {"managedFields": managed}, "spec": {"replicas": 4}})
    }

    #[test]
    fn only_a_count_that_nobody_else_owns_is_kept() {
        assert_eq!(
            count_that_is_ours_alone(&live(&["erpgo-operator"])),
            Some(4)
        );
        let shared = live(&["erpgo-operator", "kube-controller-manager"]);
        assert_eq!(count_that_is_ours_alone(&shared), None);
        assert_eq!(count_that_is_ours_alone(&live(&[])), None);
    }
}
