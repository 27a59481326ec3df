//! A deletion ends, and removes what the policy names and nothing else (I-08).

use erpgo_crds::ErpGo;
use erpgo_tests::operator::Operator;
use erpgo_tests::shop::Shop;
use erpgo_tests::wait;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::events::v1::Event;
use kube::api::{ApiResource, DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

/// A shop with these fields, whose secret set is there.
async fn live(extra: &Value) -> (Shop, Operator) {
    let (shop, operator) = Shop::with_operator("finalizers").await.unwrap();
    shop.apply(extra).await.unwrap();
    let _: Secret = shop.get("shop-secret-set").await.unwrap();
    (shop, operator)
}

/// Brings such a shop up, deletes it and waits for its end.
async fn live_and_die(extra: &Value) -> Shop {
    let (shop, _operator) = live(extra).await;
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
    let (shop, _operator) = live(&json!({})).await;
    shop.api::<Secret>()
        .delete("shop-database", &DeleteParams::default())
        .await
        .unwrap();
    shop.delete().await.unwrap();
}

#[tokio::test]
async fn i08_a_deletion_while_the_operator_is_away_ends_when_it_returns() {
    let (shop, mut operator) = live(&json!({})).await;
    operator.stop().await.unwrap();
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
    shop.until_gone().await.unwrap();
}

/// Deletes a shop with the policy `Delete`. No controller collects here what an owner leaves behind:
/// all that is left belongs to the shop, and of its Jobs none is new.
async fn all_goes(shop: &Shop) {
    let erpgo: ErpGo = shop.get("shop").await.unwrap();
    let uid = erpgo.metadata.uid.unwrap();
    let ours = "app.kubernetes.io/instance=shop,app.kubernetes.io/managed-by=erpgo-operator";
    let ours = ListParams::default().labels(ours);
    let jobs = async || shop.api::<Job>().list(&ours).await.unwrap().items;
    let before = jobs().await;
    assert_eq!(before.len(), 1);

    shop.delete().await.unwrap();
    for kind in [
        ApiResource::erase::<Job>(&()),
        ApiResource::erase::<Secret>(&()),
        ApiResource::erase::<ConfigMap>(&()),
        ApiResource::erase::<ServiceAccount>(&()),
        ApiResource::erase::<Service>(&()),
        ApiResource::erase::<Deployment>(&()),
    ] {
        for left in shop.api_of(&kind).list(&ours).await.unwrap() {
            let mut owners = left.owner_references().iter();
            let goes = owners.any(|owner| owner.uid == uid);
            assert!(goes, "{} {} stays", kind.kind, left.name_any());
        }
    }
    for gone in ["shop-secret-set", "shop-admin"] {
        assert!(!exists(shop, gone).await, "{gone} is still there");
    }
    let uids = |jobs: &[Job]| jobs.iter().map(ResourceExt::uid).collect::<Vec<_>>();
    assert_eq!(uids(&jobs().await), uids(&before));
}

#[tokio::test]
async fn i08_a_deletion_while_the_migration_runs_ends_and_leaves_nothing() {
    let (shop, _operator) = live(&json!({"deletionPolicy": "Delete"})).await;
    shop.unfinished_job("migration").await.unwrap();
    all_goes(&shop).await;
}

#[tokio::test]
async fn i08_a_deletion_after_a_failed_migration_ends_and_leaves_nothing() {
    let (shop, _operator) = live(&json!({"deletionPolicy": "Delete"})).await;
    shop.fail_migration().await.unwrap();
    shop.wait_condition("Degraded", "True").await.unwrap();
    all_goes(&shop).await;
}

/// A spec with its secrets in a Vault where nobody listens.
fn in_no_vault(deletion_policy: &str) -> Value {
    let vault = json!({
        "address": "http://127.0.0.1:1",
        "allowHttp": true,
        "path": "erpgo/shop",
        "auth": {"kubernetes": {"role": "shop"}},
    });
    json!({"deletionPolicy": deletion_policy, "secrets": {"backend": {"vault": vault}}})
}

/// The Events that tell of secrets that could not be deleted.
async fn not_deleted(shop: &Shop) -> anyhow::Result<Vec<Event>> {
    let api: Api<Event> = shop.api();
    let of_erpgo = ListParams::default().fields("regarding.kind=ErpGo,regarding.name=shop");
    let mut told = api.list(&of_erpgo).await?.items;
    told.retain(|event| event.reason.as_deref() == Some("SecretsNotDeleted"));
    Ok(told)
}

#[tokio::test]
async fn i08_a_deletion_waits_for_a_backend_that_is_away_and_says_so_until_the_policy_changes() {
    let (shop, operator) = Shop::with_operator("finalizers").await.unwrap();
    shop.apply(&in_no_vault("Delete")).await.unwrap();
    let _: ServiceAccount = shop.get("shop").await.unwrap();
    let _: Secret = shop.get("shop-admin").await.unwrap();
    let api: Api<ErpGo> = shop.api();
    api.delete("shop", &DeleteParams::default()).await.unwrap();
    let told = wait::until("an Event that says so", async || {
        Ok(not_deleted(&shop).await?.into_iter().next())
    });
    let told = told.await.unwrap();
    assert_eq!(told.type_.as_deref(), Some("Warning"));
    assert_eq!(
        told.note.as_deref(),
        Some("the secret backend does not answer; trying again for up to 5 minutes")
    );

    shop.looked_at_by(&operator).await.unwrap();
    let waiting = api.get("shop").await.unwrap().metadata.finalizers;
    assert_eq!(waiting, Some(vec!["erpgo.io/cleanup".into()]));
    assert_eq!(not_deleted(&shop).await.unwrap().len(), 1, "told once");
    assert!(!exists(&shop, "shop-admin").await);

    shop.apply(&in_no_vault("Retain")).await.unwrap();
    shop.until_gone().await.unwrap();
    assert_eq!(not_deleted(&shop).await.unwrap().len(), 1, "told once");
}
