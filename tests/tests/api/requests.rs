//! How much one reconcile asks of the API server.

use std::collections::BTreeMap;
use std::fmt::Debug;

use erpgo_crds::ErpGo;
use erpgo_test_kit::apiserver::AuditEvent;
use erpgo_tests::operator::Operator;
use erpgo_tests::shop::Shop;
use erpgo_tests::wait;
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{DeleteParams, Patch, PatchParams};
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

#[tokio::test]
async fn a_reconcile_of_a_settled_resource_asks_for_each_object_once_and_for_none_that_is_not_there()
 {
    let (shop, operator) = Shop::with_operator("requests").await.unwrap();
    shop.settle(&json!({})).await.unwrap();
    let before = wait_for_quiet(&shop, &operator).await;
    // An annotation wakes one reconcile and changes nothing.
    let note = json!({"metadata": {"annotations": {"example.com/look": "once"}}});
    let api: Api<ErpGo> = shop.api();
    api.patch("shop", &PatchParams::default(), &Patch::Merge(&note))
        .await
        .unwrap();
    let woken = wait::until("a request of the operator", async || {
        Ok((requests(&shop, &operator).len() > before).then_some(()))
    });
    woken.await.unwrap();
    wait_for_quiet(&shop, &operator).await;
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for event in &requests(&shop, &operator)[before..] {
        *asked
            .entry(format!("{} {}", event.verb, event.resource))
            .or_default() += 1;
    }
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
    assert_eq!(asked, expected);
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
