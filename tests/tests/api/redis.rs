//! `spec.redis` that is added or removed after the first start reaches the document, and rolls no pod.

use erpgo_crds::ErpGo;
use erpgo_tests::shop::Shop;
use erpgo_tests::wait;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

const URL: &str = "redis://:kept-out-of-sight@127.0.0.1:6379/0";

async fn document(shop: &Shop) -> Value {
    shop.document().await.unwrap()
}

async fn until_it_has_redis(shop: &Shop, has: bool) -> Value {
    let what = format!("a document in which redis is there: {has}");
    let found = wait::until(&what, async || {
        let document = document(shop).await;
        Ok((document["keys"]["redis"].is_object() == has).then_some(document))
    });
    found.await.unwrap()
}

async fn give_url(shop: &Shop) {
    let secrets: Api<Secret> = shop.api();
    let secret = json!({"metadata": {"name": "shop-redis"}, "stringData": {"url": URL}});
    let secret = serde_json::from_value(secret).unwrap();
    secrets
        .create(&PostParams::default(), &secret)
        .await
        .unwrap();
}

async fn pods(shop: &Shop) -> Option<i64> {
    let deployment: Deployment = shop.get("shop").await.unwrap();
    deployment.metadata.generation
}

/// The document without what every write changes and without redis.
fn others(document: &Value) -> Value {
    let mut keys = document["keys"].clone();
    keys.as_object_mut().unwrap().remove("redis");
    keys
}

#[tokio::test]
async fn redis_joins_the_secret_set_and_leaves_it_with_the_spec() {
    let (shop, operator) = Shop::with_operator("redis").await.unwrap();
    shop.settle(&json!({})).await.unwrap();
    let (first, before) = (document(&shop).await, pods(&shop).await);
    assert!(first["keys"]["redis"].is_null());

    let with_redis = json!({"redis": {"secretRef": {"name": "shop-redis"}}});
    shop.apply(&with_redis).await.unwrap();
    shop.wait_condition("Degraded", "True").await.unwrap();
    let erpgo: ErpGo = shop.get("shop").await.unwrap();
    let conditions = erpgo.status.unwrap().conditions;
    let degraded = conditions.iter().find(|told| told.type_ == "Degraded");
    let told = &degraded.unwrap().message;
    assert!(
        told.contains("shop-redis") && told.contains("create it"),
        "{told}"
    );
    assert_eq!(document(&shop).await, first);

    give_url(&shop).await;
    let joined = until_it_has_redis(&shop, true).await;
    assert_eq!(joined["keys"]["redis"]["current"]["value"], URL);
    assert_eq!(others(&joined), others(&first));
    shop.wait_condition("Degraded", "False").await.unwrap();
    shop.looked_at_by(&operator).await.unwrap();
    assert_eq!(document(&shop).await, joined, "it writes at rest");

    shop.apply(&json!({})).await.unwrap();
    let left = until_it_has_redis(&shop, false).await;
    assert_eq!(others(&left), others(&first));
    shop.looked_at_by(&operator).await.unwrap();
    let rested = document(&shop).await;
    assert_eq!(rested, left, "it writes at rest");
    let generations = [&first, &joined, &left].map(|document| document["generation"].as_u64());
    assert_eq!(generations, [Some(1), Some(2), Some(3)]);
    assert_eq!(pods(&shop).await, before, "no pod is rolled");
}
