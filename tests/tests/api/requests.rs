//! How much one reconcile asks of the API server.

use std::collections::BTreeMap;
use std::fmt::Debug;

use erpgo_crds::ErpGo;
use erpgo_test_kit::apiserver::AuditEvent;
use erpgo_tests::operator::Operator;
use erpgo_tests::shop::Shop;
use erpgo_tests::wait;
use k8s_openapi::api::core::v1::{Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::json;

/// Served from the moment at which a test beside this one installs their definitions.
const OPTIONAL: [&str; 2] = ["prometheusrules", "servicemonitors"];

// Watches end and begin again by themselves.
fn requests(shop: &Shop, operator: &Operator) -> Vec<AuditEvent> {
    let all = shop.cluster().audit_of(&operator.user);
    all.into_iter()
        .filter(|event| event.verb != "watch" && !OPTIONAL.contains(&event.resource.as_str()))
        .collect()
}

/// Waits until nothing was asked for a while, and returns how much was.
async fn wait_for_quiet(shop: &Shop, operator: &Operator) -> usize {
    let still = wait::until_still("quiet", || requests(shop, operator).len()).await;
    still.unwrap()
}

/// How often one reconcile of a settled resource asks for what.
async fn asked(shop: &Shop, operator: &Operator) -> BTreeMap<String, usize> {
    let before = wait_for_quiet(shop, operator).await;
    // An annotation wakes one reconcile and changes nothing.
    let note = json!({"metadata": {"annotations": {"example.com/look": "once"}}});
    let api: Api<ErpGo> = shop.api();
    api.patch("shop", &PatchParams::default(), &Patch::Merge(&note))
        .await
        .unwrap();
    let woken = wait::until("a request of the operator", async || {
        Ok((requests(shop, operator).len() > before).then_some(()))
    });
    woken.await.unwrap();
    wait_for_quiet(shop, operator).await;
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for event in &requests(shop, operator)[before..] {
        *asked
            .entry(format!("{} {}", event.verb, event.resource))
            .or_default() += 1;
    }
    asked
}

/// Each object once, and none that is not there.
fn no_more_than_there_is() -> BTreeMap<String, usize> {
    let once = [
        "get configmaps",
        "get deployments",
        "get erpgos",
        "get jobs",
        "get networkpolicies",
        "get poddisruptionbudgets",
        "get rolebindings",
        "get roles",
        "get serviceaccounts",
        "get services",
        "list pods",
    ];
    let mut expected: BTreeMap<String, usize> = once.map(|request| (request.to_owned(), 1)).into();
    // The database's, the set, the control token and the first administrator.
    expected.insert("get secrets".into(), 4);
    expected
}

#[tokio::test]
async fn a_reconcile_of_a_settled_resource_asks_for_each_object_once_and_for_none_that_is_not_there()
 {
    let (shop, operator) = Shop::with_operator("requests").await.unwrap();
    shop.settle(&json!({})).await.unwrap();
    assert_eq!(asked(&shop, &operator).await, no_more_than_there_is());
}

async fn degraded(shop: &Shop) -> String {
    let erpgo: ErpGo = shop.get("shop").await.unwrap();
    let mut conditions = erpgo.status.unwrap().conditions.into_iter();
    let degraded = conditions.find(|told| told.type_ == "Degraded").unwrap();
    format!("{} {}", degraded.reason, degraded.message)
}

#[tokio::test]
async fn the_secret_for_mail_is_missed_while_pods_wait_for_it_and_asked_for_no_more_afterwards() {
    let (shop, operator) = Shop::with_operator("requests").await.unwrap();
    let mail = json!({"mail": {
        "smtpUrl": "smtps://mail.example.com", "from": "erp@example.com",
        "credentialsSecretRef": {"name": "shop-mail"},
    }});
    shop.apply(&mail).await.unwrap();
    shop.finish_migration().await.unwrap();
    shop.wait_condition("Degraded", "True").await.unwrap();
    let told = degraded(&shop).await;
    for words in ["SecretMissing", "shop-mail", "spec.mail", "create it"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let secret = json!({"metadata": {"name": "shop-mail"},
        "stringData": {"username": "shop", "password": "kept-out-of-sight"}});
    let secrets: Api<Secret> = shop.api();
    secrets
        .create(
            &PostParams::default(),
            &serde_json::from_value(secret).unwrap(),
        )
        .await
        .unwrap();
    shop.roll_out().await.unwrap();
    shop.wait_condition("Ready", "True").await.unwrap();
    shop.wait_condition("Degraded", "False").await.unwrap();
    assert_eq!(asked(&shop, &operator).await, no_more_than_there_is());
}

async fn label<K>(api: &Api<K>, label: &str)
where
    K: kube::Resource + Clone + DeserializeOwned + Debug,
{
    let edit = json!({"metadata": {"labels": {label: "somebody"}}});
    api.patch("shop", &PatchParams::default(), &Patch::Merge(&edit))
        .await
        .unwrap();
}

async fn until_restored<K>(api: &Api<K>, label: &str)
where
    K: kube::Resource + Clone + DeserializeOwned + Debug,
{
    let restored = wait::until(label, async || {
        let object = api.get("shop").await?;
        let is = object.labels().get(label);
        Ok(is.is_some_and(|is| is != "somebody").then_some(()))
    });
    restored.await.unwrap();
}

#[tokio::test]
async fn children_that_are_edited_or_deleted_by_hand_are_put_right() {
    let (shop, operator) = Shop::with_operator("requests").await.unwrap();
    shop.settle(&json!({})).await.unwrap();
    wait_for_quiet(&shop, &operator).await;
    // One leaves the watch's selection by it, the other does not.
    let services: Api<Service> = shop.api();
    label(&services, "app.kubernetes.io/managed-by").await;
    let accounts: Api<ServiceAccount> = shop.api();
    label(&accounts, "app.kubernetes.io/component").await;
    let policies: Api<NetworkPolicy> = shop.api();
    let old = policies.get("shop").await.unwrap().metadata.uid;
    policies
        .delete("shop", &DeleteParams::default())
        .await
        .unwrap();
    until_restored(&services, "app.kubernetes.io/managed-by").await;
    until_restored(&accounts, "app.kubernetes.io/component").await;
    let made_again = wait::until("another NetworkPolicy", async || {
        let found = policies.get_opt("shop").await?;
        Ok(found.filter(|policy| policy.metadata.uid != old))
    });
    made_again.await.unwrap();
}

#[tokio::test]
async fn what_is_wanted_no_more_goes_also_when_it_was_switched_off_while_the_operator_was_away() {
    let (shop, mut operator) = Shop::with_operator("requests").await.unwrap();
    shop.settle(&json!({})).await.unwrap();
    let policies: Api<NetworkPolicy> = shop.api();
    policies.get("shop").await.unwrap();
    operator.stop().await.unwrap();
    shop.apply(&json!({"networkPolicy": {"enabled": false}}))
        .await
        .unwrap();
    operator.restart().await.unwrap();
    let gone = wait::until("the end of the NetworkPolicy", async || {
        Ok(policies.get_opt("shop").await?.is_none().then_some(()))
    });
    gone.await.unwrap();
}
