//! At rest the operator writes nothing (I-05), and a restart of it changes nothing (I-06).

use erpgo_test_kit::apiserver::AuditEvent;
use erpgo_tests::operator::Operator;
use erpgo_tests::shop::Shop;
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::json;
use std::time::{Duration, Instant};

/// How long nothing must happen. A loop that writes does so many times in it.
const REST: Duration = Duration::from_secs(15);
/// How long after the last write the operator counts as at rest.
const QUIET: Duration = Duration::from_secs(3);

fn writes(shop: &Shop, operator: &Operator) -> Vec<AuditEvent> {
    let all = shop.cluster().audit_of(&operator.user);
    all.into_iter().filter(AuditEvent::is_write).collect()
}

/// Waits until the operator has written nothing for a while, and returns how much it wrote.
async fn wait_for_rest(shop: &Shop, operator: &Operator) -> usize {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut last = (writes(shop, operator).len(), Instant::now());
    while last.1.elapsed() < QUIET {
        assert!(
            Instant::now() < deadline,
            "never at rest: {:?}",
            writes(shop, operator)
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
        let count = writes(shop, operator).len();
        if count != last.0 {
            last = (count, Instant::now());
        }
    }
    last.0
}

#[tokio::test]
async fn i05_a_settled_resource_is_left_alone() {
    let shop = Shop::prepare("rest").await.unwrap();
    let operator = Operator::start(shop.cluster(), shop.namespace())
        .await
        .unwrap();
    shop.settle(&json!({})).await.unwrap();
    let before = wait_for_rest(&shop, &operator).await;
    assert!(
        before > 0,
        "the audit log shows no write of {}",
        operator.user
    );
    tokio::time::sleep(REST).await;
    let after = writes(&shop, &operator);
    assert_eq!(after.len(), before, "{:?}", &after[before..]);
}

#[tokio::test]
async fn i05_a_resource_that_waits_for_its_migration_is_left_alone() {
    let shop = Shop::prepare("rest").await.unwrap();
    let operator = Operator::start(shop.cluster(), shop.namespace())
        .await
        .unwrap();
    shop.apply(&json!({})).await.unwrap();
    shop.wait_condition("MigrationsApplied", "False")
        .await
        .unwrap();
    let before = wait_for_rest(&shop, &operator).await;
    tokio::time::sleep(REST).await;
    let after = writes(&shop, &operator);
    assert_eq!(after.len(), before, "{:?}", &after[before..]);
}

#[tokio::test]
async fn i06_a_restart_of_the_operator_writes_nothing_and_keeps_every_pod() {
    let shop = Shop::prepare("rest").await.unwrap();
    let mut operator = Operator::start(shop.cluster(), shop.namespace())
        .await
        .unwrap();
    shop.settle(&json!({})).await.unwrap();
    let before = wait_for_rest(&shop, &operator).await;
    let pods = shop
        .get::<Deployment>("shop")
        .await
        .unwrap()
        .metadata
        .generation;
    operator.restart().await.unwrap();
    tokio::time::sleep(REST).await;
    let after = writes(&shop, &operator);
    assert_eq!(after.len(), before, "{:?}", &after[before..]);
    assert_eq!(
        shop.get::<Deployment>("shop")
            .await
            .unwrap()
            .metadata
            .generation,
        pods
    );
}
