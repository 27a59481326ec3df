//! The operator owns the fields that it writes and no other (I-07).

use erpgo_tests::operator::Operator;
use erpgo_tests::shop::Shop;
use erpgo_tests::wait;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

/// The fields of a Deployment that the operator's manager owns.
fn owned(deployment: &Deployment) -> Value {
    let entries = deployment.metadata.managed_fields.iter().flatten();
    let mut ours = entries.filter(|entry| entry.manager.as_deref() == Some("erpgo-operator"));
    ours.next()
        .and_then(|entry| entry.fields_v1.clone())
        .map(|fields| fields.0)
        .unwrap_or_default()
}

async fn merge(api: &Api<Deployment>, patch: Value) {
    let params = PatchParams {
        field_manager: Some("somebody".into()),
        ..PatchParams::default()
    };
    api.patch("shop", &params, &Patch::Merge(&patch))
        .await
        .unwrap();
}

#[tokio::test]
async fn foreign_fields_stay_and_own_fields_are_restored() {
    let (shop, _operator) = Shop::with_operator("ssa").await.unwrap();
    shop.settle(&json!({})).await.unwrap();
    let api: Api<Deployment> = shop.api();
    merge(&api, json!({
        "metadata": {"annotations": {"example.com/note": "mine"}},
        "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "example.com/stolen:1"}], "priorityClassName": "system-cluster-critical"}}},
    }))
    .await;
    let restored = wait::until("the image's return", async || {
        let live = api.get("shop").await?;
        let image = live.spec.as_ref().and_then(|spec| {
            spec.template
                .spec
                .as_ref()?
                .containers
                .first()?
                .image
                .clone()
        });
        Ok((image.as_deref() == Some("erpgo.local/erpgo:1")).then_some(live))
    });
    let restored = restored.await.unwrap();
    assert_eq!(
        restored.metadata.annotations.unwrap()["example.com/note"],
        "mine"
    );
    let pod = restored.spec.unwrap().template.spec.unwrap();
    assert_eq!(
        pod.priority_class_name.as_deref(),
        Some("system-cluster-critical")
    );
}

#[tokio::test]
async fn i07_under_an_autoscaler_the_operator_never_owns_replicas() {
    let (shop, _operator) = Shop::with_operator("ssa").await.unwrap();
    shop.settle(&json!({"autoscaling": {"minReplicas": 2, "maxReplicas": 6}}))
        .await
        .unwrap();
    let _: HorizontalPodAutoscaler = shop.get("shop").await.unwrap();
    let api: Api<Deployment> = shop.api();
    assert!(owned(&api.get("shop").await.unwrap())["f:spec"]["f:replicas"].is_null());
    merge(&api, json!({"spec": {"replicas": 5}})).await;
    // A change that the operator must write shows that it has looked since.
    shop.apply(&json!({"autoscaling": {"minReplicas": 2, "maxReplicas": 6}, "settings": {"logLevel": "debug"}})).await.unwrap();
    let config = wait::until("the new setting", async || {
        let map: ConfigMap = shop.get("shop-config").await?;
        Ok(map
            .data
            .unwrap_or_default()
            .values()
            .any(|text| text.contains("debug"))
            .then_some(()))
    });
    config.await.unwrap();
    assert_eq!(
        api.get("shop").await.unwrap().spec.unwrap().replicas,
        Some(5)
    );
}

#[tokio::test]
async fn i07_without_an_autoscaler_the_operator_owns_replicas() {
    let (shop, _operator) = Shop::with_operator("ssa").await.unwrap();
    shop.settle(&json!({"replicas": 3})).await.unwrap();
    let live: Deployment = shop.get("shop").await.unwrap();
    assert!(!owned(&live)["f:spec"]["f:replicas"].is_null());
    assert_eq!(live.spec.unwrap().replicas, Some(3));
}

#[tokio::test]
async fn a_service_of_somebody_else_is_not_taken_over() {
    let shop = Shop::prepare("ssa").await.unwrap();
    let foreign: Service = serde_json::from_value(json!({
        "metadata": {"name": "shop", "labels": {"owner": "somebody"}},
        "spec": {"ports": [{"port": 1234}]},
    }))
    .unwrap();
    shop.api::<Service>()
        .create(&Default::default(), &foreign)
        .await
        .unwrap();
    let _operator = Operator::start(shop.cluster(), shop.namespace())
        .await
        .unwrap();
    shop.apply(&json!({})).await.unwrap();
    shop.wait_condition("Ready", "False").await.unwrap();
    shop.wait_condition("Degraded", "True").await.unwrap();
    let live: Service = shop.get("shop").await.unwrap();
    assert_eq!(live.metadata.owner_references, None);
    assert_eq!(live.spec.unwrap().ports.unwrap()[0].port, 1234);
}
