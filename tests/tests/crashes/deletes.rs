//! What the operator deletes in the life of a shop goes only as it was read (I-11).

use std::collections::BTreeMap;

use anyhow::Result;
use erpgo_tests::operator::{Operator, Release};
use erpgo_tests::shop::Shop;
use erpgo_tests::wait;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::gate::Gate;

fn spec(version: u32, network_policy: bool) -> Value {
    json!({
        "image": format!("erpgo.local/erpgo:{version}"),
        "deletionPolicy": "Delete",
        "networkPolicy": {"enabled": network_policy},
    })
}

async fn until_gone(shop: &Shop, job: &Job) -> Result<()> {
    let (jobs, name) = (shop.api::<Job>(), job.name_any());
    wait::until("the end of a migration Job", async || {
        Ok(jobs.get_opt(&name).await?.is_none().then_some(()))
    })
    .await
}

/// What is asked for when `object` goes, and its uid.
fn known(kind: &str, object: &impl kube::Resource) -> (String, Value) {
    (format!("{kind}/{}", object.name_any()), object.uid().into())
}

/// Brings up a shop whose second version is overtaken by its third, switches its NetworkPolicy off and
/// deletes it. Tells what went on the way, with its uid.
async fn live_and_die(shop: &Shop) -> Result<BTreeMap<String, Value>> {
    shop.apply(&spec(1, true)).await?;
    let outlived = shop.unfinished_job("migration").await?;
    shop.settle(&spec(1, true)).await?;
    let policy: NetworkPolicy = shop.get("shop").await?;
    let secrets: Api<Secret> = shop.api();
    let (set, admin) = (
        secrets.get("shop-secret-set").await?,
        secrets.get("shop-admin").await?,
    );

    shop.apply(&spec(2, false)).await?;
    let superseded = shop.unfinished_job("migration").await?;
    shop.apply(&spec(3, false)).await?;
    until_gone(shop, &superseded).await?;
    shop.finish_migration().await?;
    shop.roll_out().await?;
    until_gone(shop, &outlived).await?;
    shop.delete().await?;
    Ok(BTreeMap::from([
        known("jobs", &outlived),
        known("jobs", &superseded),
        known("networkpolicies", &policy),
        known("secrets", &set),
        known("secrets", &admin),
    ]))
}

#[tokio::test]
async fn i11_each_delete_carries_the_uid_and_a_resource_version_of_what_goes() {
    let shop = Shop::prepare("deletes").await.unwrap();
    let gate = Gate::before(shop.cluster()).await.unwrap();
    let (cluster, namespace) = (shop.cluster(), shop.namespace());
    let operator = Operator::install_at(cluster, namespace, Release::default(), gate.url());
    let _operator = operator.await.unwrap();
    let gone = live_and_die(&shop).await.unwrap();

    let here = format!("/namespaces/{namespace}/");
    let mut asked = BTreeMap::new();
    for delete in gate.deletes() {
        let (_, what) = delete.path.split_once(&here).unwrap();
        let version = delete.preconditions["resourceVersion"].as_str();
        assert!(
            version.is_some_and(|version| !version.is_empty()),
            "{delete:?}"
        );
        asked.insert(what.to_owned(), delete.preconditions["uid"].clone());
    }
    assert_eq!(asked, gone);
}
