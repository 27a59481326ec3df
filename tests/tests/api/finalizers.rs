//! A deletion ends, and removes what the policy names and nothing else (I-08).

use erpgo_crds::ErpGo;
use erpgo_tests::operator::Operator;
use erpgo_tests::shop::Shop;
use erpgo_tests::wait;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::{Value, json};

/// Brings a shop up with these fields, deletes it and waits for its end.
async fn live_and_die(extra: &Value) -> Shop {
    let shop = Shop::prepare("finalizers").await.unwrap();
    let _operator = Operator::start(shop.cluster(), shop.namespace())
        .await
        .unwrap();
    shop.apply(extra).await.unwrap();
    let _: Secret = shop.get("shop-secret-set").await.unwrap();
    let _: Secret = shop.get("shop-admin").await.unwrap();
    let erpgo: ErpGo = shop.get("shop").await.unwrap();
    assert_eq!(
        erpgo.metadata.finalizers,
        Some(vec!["erpgo.io/cleanup".into()])
    );
    shop.delete().await.unwrap();
    shop
}

async fn exists(shop: &Shop, name: &str) -> bool {
    shop.api::<Secret>().get_opt(name).await.unwrap().is_some()
}

#[tokio::test]
async fn i08_by_default_a_deletion_keeps_secrets_and_inputs() {
    let shop = live_and_die(&json!({})).await;
    for kept in ["shop-secret-set", "shop-admin", "shop-database"] {
        assert!(exists(&shop, kept).await, "{kept} is gone");
    }
}

#[tokio::test]
async fn i08_the_policy_delete_removes_the_secret_set_and_keeps_the_users_secrets() {
    let shop = live_and_die(&json!({"deletionPolicy": "Delete"})).await;
    for gone in ["shop-secret-set", "shop-admin"] {
        assert!(!exists(&shop, gone).await, "{gone} is still there");
    }
    assert!(exists(&shop, "shop-database").await);
}

#[tokio::test]
async fn i08_a_deletion_ends_without_the_database_secret() {
    let shop = Shop::prepare("finalizers").await.unwrap();
    let _operator = Operator::start(shop.cluster(), shop.namespace())
        .await
        .unwrap();
    shop.apply(&json!({})).await.unwrap();
    let _: Secret = shop.get("shop-secret-set").await.unwrap();
    shop.api::<Secret>()
        .delete("shop-database", &DeleteParams::default())
        .await
        .unwrap();
    shop.delete().await.unwrap();
}

#[tokio::test]
async fn i08_a_deletion_while_the_operator_is_away_ends_when_it_returns() {
    let shop = Shop::prepare("finalizers").await.unwrap();
    let mut operator = Operator::start(shop.cluster(), shop.namespace())
        .await
        .unwrap();
    shop.apply(&json!({})).await.unwrap();
    let _: Secret = shop.get("shop-secret-set").await.unwrap();
    operator
        .process
        .signal(erpgo_test_kit::Signal::KILL)
        .unwrap();
    operator.process.wait(wait::LIMIT).await.unwrap();
    let api: Api<ErpGo> = shop.api();
    api.delete("shop", &DeleteParams::default()).await.unwrap();
    assert!(
        api.get("shop")
            .await
            .unwrap()
            .metadata
            .deletion_timestamp
            .is_some()
    );
    operator.restart().await.unwrap();
    let gone = wait::until("the end of the ErpGo", async || {
        Ok(api.get_opt("shop").await?.is_none().then_some(()))
    });
    gone.await.unwrap();
}
