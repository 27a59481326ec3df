//! The database moves to another server while another image is on its way.

use erpgo_operator::reconcile::names::DATABASE;
use erpgo_tests::shop::{Shop, image};
use erpgo_tests::wait;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;

const BEFORE: &str = "erpgo.local/erpgo:1";
const WANTED: &str = "erpgo.local/erpgo:2";
const FIRST: &str = "database-1";
/// Nobody connects to it either.
const OTHER_URL: &str = "postgres://shop:kept-out-of-sight@127.0.0.2:5432/shop";

/// Has the other URL become current; tells its version.
async fn move_database(shop: &Shop) -> String {
    let secrets: Api<Secret> = shop.api();
    let url = json!({"stringData": {"url": OTHER_URL}});
    secrets
        .patch(
            "shop-database",
            &PatchParams::default(),
            &Patch::Merge(&url),
        )
        .await
        .unwrap();
    shop.annotate("erpgo.io/rotate", "database=another server")
        .await
        .unwrap();
    let version = wait::until("another version of the database", async || {
        let document = shop.document().await?;
        let kid = document["keys"]["database"]["current"]["kid"].as_str();
        Ok(kid.filter(|kid| *kid != FIRST).map(str::to_owned))
    });
    version.await.unwrap()
}

fn made_for(job: &Job) -> Option<&str> {
    job.annotations().get(DATABASE).map(String::as_str)
}

async fn deployed(shop: &Shop) -> String {
    let deployment: Deployment = shop.get("shop").await.unwrap();
    image(&deployment).unwrap().clone()
}

#[tokio::test]
async fn i01_migrations_that_ended_on_the_database_of_before_run_again_before_the_image_begins() {
    let (shop, _operator) = Shop::with_operator("moves").await.unwrap();
    shop.settle(&json!({"image": BEFORE})).await.unwrap();
    shop.apply(&json!({"image": WANTED})).await.unwrap();
    let first = shop.unfinished_job("migration").await.unwrap();
    assert_eq!(made_for(&first), Some(FIRST));

    let version = move_database(&shop).await;
    shop.complete(&first).await.unwrap();
    let second = wait::until("the migrations to run again", async || {
        let mut jobs = shop.unfinished_jobs("migration").await?.into_iter();
        Ok(jobs.find(|job| job.uid() != first.uid()))
    });
    let second = second.await.unwrap();
    assert_eq!(second.name_any(), first.name_any());
    assert_eq!(made_for(&second), Some(version.as_str()));
    assert_eq!(deployed(&shop).await, BEFORE);

    shop.complete(&second).await.unwrap();
    shop.roll_out().await.unwrap();
    shop.wait_condition("Ready", "True").await.unwrap();
    assert_eq!(deployed(&shop).await, WANTED);
    let jobs = shop.unfinished_jobs("migration").await.unwrap();
    assert!(jobs.is_empty(), "{jobs:?}");
}
