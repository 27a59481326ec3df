//! The scale subresource, by which `kubectl scale` and autoscalers of others see an `ErpGo`.

use erpgo_crds::ErpGo;
use erpgo_tests::shop::Shop;
use erpgo_tests::wait;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v1::Scale;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

async fn scale_to(shop: &Shop, replicas: i32) -> kube::Result<()> {
    let api: Api<ErpGo> = shop.api();
    let wanted = json!({"spec": {"replicas": replicas}});
    api.patch_scale("shop", &PatchParams::default(), &Patch::Merge(&wanted))
        .await
        .map(drop)
}

/// What is wanted, what there is, and which pods those are.
async fn scale(shop: &Shop) -> (Option<i32>, i32, String) {
    let api: Api<ErpGo> = shop.api();
    let scale = serde_json::to_value(api.get_scale("shop").await.unwrap()).unwrap();
    let scale: Scale = serde_json::from_value(scale).unwrap();
    let status = scale.status.unwrap();
    let wanted = scale.spec.and_then(|spec| spec.replicas);
    (wanted, status.replicas, status.selector.unwrap_or_default())
}

async fn until_there_are(shop: &Shop, replicas: i32) {
    let there = wait::until("the count in the scale", async || {
        Ok((scale(shop).await.1 == replicas).then_some(()))
    });
    there.await.unwrap();
}

#[tokio::test]
async fn a_scale_is_carried_out_and_shows_how_many_pods_there_are_and_which() {
    let (shop, _operator) = Shop::with_operator("scale").await.unwrap();
    shop.settle(&json!({"replicas": 2})).await.unwrap();
    let (wanted, replicas, selector) = scale(&shop).await;
    assert_eq!((wanted, replicas), (Some(2), 2));
    scale_to(&shop, 4).await.unwrap();
    let scaled = wait::until("four pods in the Deployment", async || {
        let live: Deployment = shop.get("shop").await?;
        let spec = live.spec.unwrap_or_default();
        Ok((spec.replicas == Some(4)).then_some(spec.selector))
    });
    let chosen = scaled.await.unwrap().match_labels.unwrap();
    let chosen: Vec<_> = chosen
        .iter()
        .map(|(key, is)| format!("{key}={is}"))
        .collect();
    assert_eq!(selector, chosen.join(","));
    assert_eq!(
        scale(&shop).await.1,
        2,
        "no pod is there before its controller says so"
    );
    shop.roll_out().await.unwrap();
    until_there_are(&shop, 4).await;
    shop.wait_condition("Ready", "True").await.unwrap();
    scale_to(&shop, 1).await.unwrap();
    let fewer = wait::until("one pod in the Deployment", async || {
        let live: Deployment = shop.get("shop").await?;
        let wanted = live.spec.and_then(|spec| spec.replicas);
        Ok((wanted == Some(1)).then_some(()))
    });
    fewer.await.unwrap();
}

#[tokio::test]
async fn what_the_schema_refuses_is_refused_of_a_scale_too() {
    let (shop, _operator) = Shop::with_operator("scale").await.unwrap();
    shop.settle(&json!({"replicas": 2})).await.unwrap();
    let refused = scale_to(&shop, 101).await.unwrap_err().to_string();
    assert!(refused.contains("spec.replicas"), "{refused}");
    assert_eq!(scale(&shop).await.0, Some(2));
    let live: Deployment = shop.get("shop").await.unwrap();
    assert_eq!(live.spec.unwrap().replicas, Some(2));
}
