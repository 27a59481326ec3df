//! `spec.paused`: the operator leaves everything as it is, and goes on from what it finds.

use erpgo_test_kit::apiserver::AuditEvent;
use erpgo_tests::operator::Operator;
use erpgo_tests::shop::{self, Shop};
use erpgo_tests::wait;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

const LABEL: &str = "app.kubernetes.io/part-of";

/// A shop that settled and was paused, and its operator.
async fn paused() -> (Shop, Operator) {
    let (shop, operator) = Shop::with_operator("pause").await.unwrap();
    shop.settle(&json!({})).await.unwrap();
    pause(&shop, &json!({})).await;
    shop.looked_at_by(&operator).await.unwrap();
    (shop, operator)
}

async fn pause(shop: &Shop, extra: &Value) {
    let mut spec = extra.clone();
    spec["paused"] = true.into();
    shop.apply(&spec).await.unwrap();
    shop.wait_condition("Paused", "True").await.unwrap();
}

/// Everything that was written but the status and Events, which tell of the pause.
fn writes(shop: &Shop, operator: &Operator) -> Vec<AuditEvent> {
    let mut all = shop.cluster().audit_of(&operator.user);
    all.retain(|event| {
        let told = event.resource == "events" || event.subresource == "status";
        event.is_write() && !told
    });
    all
}

/// Edits one child by hand and deletes another.
async fn drift(shop: &Shop) {
    let edit = json!({"metadata": {"labels": {LABEL: "somebody"}}});
    shop.api::<Service>()
        .patch("shop", &PatchParams::default(), &Patch::Merge(&edit))
        .await
        .unwrap();
    shop.api::<NetworkPolicy>()
        .delete("shop", &DeleteParams::default())
        .await
        .unwrap();
}

fn is_edited(service: &Service) -> bool {
    let label = service.labels().get(LABEL);
    label.is_some_and(|by| by == "somebody")
}

async fn has_drifted(shop: &Shop) -> bool {
    let service: Service = shop.get("shop").await.unwrap();
    let policies: Api<NetworkPolicy> = shop.api();
    is_edited(&service) && policies.get_opt("shop").await.unwrap().is_none()
}

async fn until_put_right(shop: &Shop) {
    let put_right = wait::until("both children as they were", async || {
        let policies: Api<NetworkPolicy> = shop.api();
        let service: Service = shop.get("shop").await?;
        let there = policies.get_opt("shop").await?.is_some();
        Ok((there && !is_edited(&service)).then_some(()))
    });
    put_right.await.unwrap();
}

async fn image(shop: &Shop) -> String {
    let deployment: Deployment = shop.get("shop").await.unwrap();
    shop::image(&deployment).cloned().unwrap_or_default()
}

#[tokio::test]
async fn while_paused_drift_and_edits_are_left_and_nothing_is_written_until_it_is_undone() {
    let (shop, operator) = paused().await;
    let before = writes(&shop, &operator).len();
    assert!(before > 0, "the audit log shows no write");
    drift(&shop).await;
    let next = json!({"image": "erpgo.local/erpgo:2", "replicas": 3});
    pause(&shop, &next).await;
    shop.looked_at_by(&operator).await.unwrap();
    let after = writes(&shop, &operator);
    assert_eq!(after.len(), before, "{:?}", &after[before..]);
    assert!(has_drifted(&shop).await);
    let jobs: Api<Job> = shop.api();
    assert_eq!(
        jobs.list(&ListParams::default()).await.unwrap().items.len(),
        1
    );
    assert_eq!(image(&shop).await, "erpgo.local/erpgo:1");
    shop.settle(&next).await.unwrap();
    shop.wait_condition("Paused", "False").await.unwrap();
    until_put_right(&shop).await;
    assert_eq!(image(&shop).await, "erpgo.local/erpgo:2");
}

#[tokio::test]
async fn a_pause_survives_a_restart_of_the_operator() {
    let (shop, mut operator) = paused().await;
    operator.stop().await.unwrap();
    let before = writes(&shop, &operator).len();
    drift(&shop).await;
    operator.restart().await.unwrap();
    shop.looked_at_by(&operator).await.unwrap();
    let after = writes(&shop, &operator);
    assert_eq!(after.len(), before, "{:?}", &after[before..]);
    assert!(has_drifted(&shop).await);
    shop.wait_condition("Paused", "True").await.unwrap();
    shop.apply(&json!({})).await.unwrap();
    until_put_right(&shop).await;
    shop.wait_condition("Ready", "True").await.unwrap();
}

#[tokio::test]
async fn a_deletion_while_paused_ends() {
    let (shop, operator) = paused().await;
    let before = writes(&shop, &operator).len();
    shop.delete().await.unwrap();
    let of_the_end: Vec<_> = writes(&shop, &operator).split_off(before);
    let beside = of_the_end.iter().find(|event| event.resource != "erpgos");
    assert_eq!(beside, None);
    let kept: Api<Secret> = shop.api();
    assert!(kept.get_opt("shop-secret-set").await.unwrap().is_some());
}

#[tokio::test]
async fn what_is_paused_from_the_beginning_gets_nothing_and_goes_at_once() {
    let (shop, operator) = Shop::with_operator("pause").await.unwrap();
    pause(&shop, &json!({})).await;
    shop.looked_at_by(&operator).await.unwrap();
    assert_eq!(writes(&shop, &operator), []);
    shop.delete().await.unwrap();
    assert_eq!(writes(&shop, &operator), []);
}
