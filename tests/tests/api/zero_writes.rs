//! At rest the operator writes nothing (I-05), and a restart or an upgrade of it changes nothing (I-06).

use erpgo_crds::ErpGo;
use erpgo_test_kit::apiserver::AuditEvent;
use erpgo_tests::operator::{Operator, SIDECAR_IMAGE};
use erpgo_tests::shop::Shop;
use erpgo_tests::wait;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;

/// How long nothing must happen. A loop that writes does so many times in it.
const REST: Duration = Duration::from_secs(15);
/// What an upgrade of the chart brings.
const NEW_SIDECAR: &str = "erpgo.local/sidecar-secrets:next";

fn writes(shop: &Shop, operator: &Operator) -> Vec<AuditEvent> {
    let all = shop.cluster().audit_of(&operator.user);
    all.into_iter().filter(AuditEvent::is_write).collect()
}

/// Waits until the operator has written nothing for a while, and returns how much it wrote.
async fn wait_for_rest(shop: &Shop, operator: &Operator) -> usize {
    let still = wait::until_still("rest", || writes(shop, operator).len()).await;
    still.unwrap_or_else(|error| panic!("{error}: {:?}", writes(shop, operator)))
}

/// Nothing is written for long after that rest, in which there were `before` writes.
async fn stays_at_rest(shop: &Shop, operator: &Operator, before: usize) {
    tokio::time::sleep(REST).await;
    let after = writes(shop, operator);
    assert_eq!(after.len(), before, "{:?}", &after[before..]);
}

async fn deployment(shop: &Shop) -> Deployment {
    shop.get("shop").await.unwrap()
}

/// The Deployment is as it was, so that no pod was rolled.
async fn is_kept(shop: &Shop, before: &Deployment) {
    let kept = deployment(shop).await.metadata.generation;
    assert_eq!(kept, before.metadata.generation);
}

#[tokio::test]
async fn i05_a_settled_resource_is_left_alone() {
    let (shop, operator) = Shop::with_operator("rest").await.unwrap();
    shop.settle(&json!({})).await.unwrap();
    let before = wait_for_rest(&shop, &operator).await;
    assert!(
        before > 0,
        "the audit log shows no write of {}",
        operator.user
    );
    stays_at_rest(&shop, &operator, before).await;
}

#[tokio::test]
async fn i05_a_resource_that_waits_for_its_migration_is_left_alone() {
    let (shop, operator) = Shop::with_operator("rest").await.unwrap();
    shop.apply(&json!({})).await.unwrap();
    shop.wait_condition("MigrationsApplied", "False")
        .await
        .unwrap();
    let before = wait_for_rest(&shop, &operator).await;
    stays_at_rest(&shop, &operator, before).await;
}

#[tokio::test]
async fn i06_a_restart_of_the_operator_writes_nothing_and_keeps_every_pod() {
    let (shop, mut operator) = Shop::with_operator("rest").await.unwrap();
    shop.settle(&json!({})).await.unwrap();
    let before = wait_for_rest(&shop, &operator).await;
    let pods = deployment(&shop).await;
    operator.restart().await.unwrap();
    stays_at_rest(&shop, &operator, before).await;
    is_kept(&shop, &pods).await;
}

/// The sidecar's image in a Deployment.
fn sidecar(deployment: &Deployment) -> Option<String> {
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    pod.init_containers.as_ref()?.first()?.image.clone()
}

/// The sidecar's image in the status, once there is one.
async fn recorded(shop: &Shop) -> String {
    let recorded = wait::until("a sidecar in the status", async || {
        let status = shop.get::<ErpGo>("shop").await?.status;
        Ok(status.and_then(|status| status.serving_sidecar))
    });
    recorded.await.unwrap().image
}

#[tokio::test]
async fn i06_an_upgrade_with_another_sidecar_writes_nothing_until_the_next_image() {
    let (shop, mut operator) = Shop::with_operator("rest").await.unwrap();
    shop.settle(&json!({})).await.unwrap();
    let before = wait_for_rest(&shop, &operator).await;
    let pods = deployment(&shop).await;
    assert_eq!(sidecar(&pods).as_deref(), Some(SIDECAR_IMAGE));
    assert_eq!(recorded(&shop).await, SIDECAR_IMAGE);

    operator.upgrade(NEW_SIDECAR).await.unwrap();
    shop.looked_at_by(&operator).await.unwrap();
    stays_at_rest(&shop, &operator, before).await;
    is_kept(&shop, &pods).await;

    shop.settle(&json!({"image": "erpgo.local/erpgo:2"}))
        .await
        .unwrap();
    let next = deployment(&shop).await;
    assert_eq!(sidecar(&next).as_deref(), Some(NEW_SIDECAR));
    assert_eq!(recorded(&shop).await, NEW_SIDECAR);
}

/// Takes the sidecar out of the status, as an operator leaves it that records none.
async fn forget_sidecar(shop: &Shop) {
    let api: Api<ErpGo> = shop.api();
    let nothing = json!({"status": {"servingSidecar": Value::Null}});
    api.patch_status("shop", &PatchParams::default(), &Patch::Merge(&nothing))
        .await
        .unwrap();
}

/// Writes another image of the sidecar into the Deployment, as `kubectl edit` would.
async fn edit_sidecar(shop: &Shop) {
    let edit = json!({"spec": {"template": {"spec": {
        "initContainers": [{"name": "secrets", "image": "example.com/by-hand:1"}],
    }}}});
    let params = PatchParams {
        field_manager: Some("somebody".into()),
        ..PatchParams::default()
    };
    let api: Api<Deployment> = shop.api();
    api.patch("shop", &params, &Patch::Strategic(&edit))
        .await
        .unwrap();
}

#[tokio::test]
async fn i06_where_no_sidecar_is_recorded_an_upgrade_keeps_every_pod_and_no_hand_edit() {
    let (shop, mut operator) = Shop::with_operator("rest").await.unwrap();
    shop.settle(&json!({})).await.unwrap();
    wait_for_rest(&shop, &operator).await;
    let pods = deployment(&shop).await;
    operator.stop().await.unwrap();
    forget_sidecar(&shop).await;
    operator.upgrade(NEW_SIDECAR).await.unwrap();
    assert_eq!(recorded(&shop).await, SIDECAR_IMAGE);
    is_kept(&shop, &pods).await;

    operator.stop().await.unwrap();
    forget_sidecar(&shop).await;
    edit_sidecar(&shop).await;
    operator.restart().await.unwrap();
    assert_eq!(recorded(&shop).await, NEW_SIDECAR);
    let next = deployment(&shop).await;
    assert_eq!(sidecar(&next).as_deref(), Some(NEW_SIDECAR));
}
