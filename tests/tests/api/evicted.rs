//! Pods that have ended and were left behind, as a node under pressure does.

use erpgo_crds::{Acks, ErpGo};
use erpgo_operator::reconcile::names::ATTEMPT;
use erpgo_operator::reconcile::observed::MAX_PODS;
use erpgo_tests::operator::Operator;
use erpgo_tests::shop::Shop;
use erpgo_tests::wait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::json;

const AT_ONCE: usize = 16;

async fn acks(shop: &Shop) -> Option<Acks> {
    let erpgo: ErpGo = shop.get("shop").await.unwrap();
    erpgo.status?.secret_set?.acks
}

/// A shop at rest that as many pods were evicted from as are read at once.
async fn after_an_eviction(prefix: &str) -> (Shop, Operator, PodTemplateSpec) {
    let (shop, operator) = Shop::with_operator(prefix).await.unwrap();
    shop.settle(&json!({})).await.unwrap();
    let deployment: Deployment = shop.get("shop").await.unwrap();
    let template = deployment.spec.unwrap().template;
    let evicted = json!({"phase": "Failed", "reason": "Evicted", "podIP": "127.0.0.8", "podIPs": [{"ip": "127.0.0.8"}]});
    // By name they come first.
    let many = stream::iter(0..MAX_PODS).map(|number| {
        let (shop, template, evicted) = (&shop, &template, &evicted);
        async move {
            let name = format!("shop-a-{number}");
            shop.pod(template, &name, evicted).await
        }
    });
    let made: anyhow::Result<Vec<()>> = many.buffer_unordered(AT_ONCE).try_collect().await;
    made.unwrap();
    (shop, operator, template)
}

/// I-03: a rotation waits for whoever serves, however many have ended before.
#[tokio::test]
async fn pods_that_were_evicted_are_not_counted_and_hide_none_that_serves() {
    let (shop, operator, template) = after_an_eviction("evicted").await;
    shop.looked_at_by(&operator).await.unwrap();
    assert_eq!(acks(&shop).await, None);
    let serves = json!({"phase": "Running", "podIP": "127.0.0.9", "podIPs": [{"ip": "127.0.0.9"}]});
    shop.pod(&template, "shop-b", &serves).await.unwrap();
    let counted = wait::until("a count of pods", async || Ok(acks(&shop).await));
    // Nobody answers there.
    let silent = Acks {
        acknowledged: 0,
        total: 1,
    };
    assert_eq!(counted.await.unwrap(), silent);
}

#[tokio::test]
async fn pods_that_were_evicted_do_not_hide_how_a_migration_ended() {
    let (shop, operator, _) = after_an_eviction("evicted-job").await;
    shop.apply(&json!({"image": "erpgo.local/erpgo:2"}))
        .await
        .unwrap();
    shop.fail_migration().await.unwrap();
    shop.looked_at_by(&operator).await.unwrap();
    let erpgo: ErpGo = shop.get("shop").await.unwrap();
    let status = erpgo.status.unwrap();
    let degraded = status
        .conditions
        .iter()
        .find(|told| told.type_ == "Degraded");
    let told = &degraded.unwrap().message;
    assert!(told.contains("no such column"), "{told}");
    assert_eq!(status.migration.unwrap().state, "Failed");
    // One that is tried again is made anew.
    let tried = shop.unfinished_jobs("migration").await.unwrap();
    let attempts = tried.iter().map(|job| job.metadata.annotations.clone());
    let attempts: Vec<_> = attempts.map(|all| all.unwrap()[ATTEMPT].clone()).collect();
    assert_eq!(attempts, ["1"]);
}
