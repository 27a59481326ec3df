//! The database is put back to a state from before the migrations of the image that serves.

use erpgo_operator::reconcile::names::{DATABASE, MIGRATE};
use erpgo_tests::operator::Operator;
use erpgo_tests::shop::Shop;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use kube::{Api, ResourceExt as _};
use serde_json::json;

const POD: &str = "shop-0";
/// Later than any Job ends here.
const LATER: &str = "2026-01-02T00:00:00Z";

#[tokio::test]
async fn migrations_that_pods_miss_are_told_and_run_again_when_a_person_says_so() {
    let shop = Shop::prepare("undone").await.unwrap();
    let operator = Operator::start(shop.cluster(), shop.namespace())
        .await
        .unwrap();
    shop.apply(&json!({})).await.unwrap();
    let first = shop.unfinished_job("migration").await.unwrap();
    shop.settle(&json!({})).await.unwrap();
    let deployment: Deployment = shop.get("shop").await.unwrap();
    let end = json!({"exitCode": 76, "reason": "Error", "finishedAt": LATER});
    let container = json!({"name": "app", "image": "erpgo", "imageID": "erpgo", "ready": false, "restartCount": 1,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": end}});
    let crashing = json!({"phase": "Running", "containerStatuses": [container]});
    let template = deployment.spec.unwrap().template;
    shop.pod(&template, POD, &crashing).await.unwrap();
    shop.wait_condition("MigrationsApplied", "False")
        .await
        .unwrap();
    shop.looked_at_by(&operator).await.unwrap();
    let unfinished = shop.unfinished_jobs("migration").await.unwrap();
    assert!(unfinished.is_empty(), "{unfinished:?}");

    let made_for = first.annotations()[DATABASE].clone();
    shop.annotate(MIGRATE, &made_for).await.unwrap();
    let again = shop.unfinished_job("migration").await.unwrap();
    assert_eq!(again.name_any(), first.name_any());
    assert_ne!(again.uid(), first.uid());
    assert_eq!(again.annotations()[DATABASE], made_for);

    // It has ended in the same second as the first, as the clock here has it; the pod would start again now.
    let pods: Api<Pod> = shop.api();
    let at_once = DeleteParams::default().grace_period(0);
    pods.delete(POD, &at_once).await.unwrap();
    shop.complete(&again).await.unwrap();
    shop.wait_condition("MigrationsApplied", "True")
        .await
        .unwrap();
    shop.looked_at_by(&operator).await.unwrap();
    let stays: Job = shop.get(&again.name_any()).await.unwrap();
    assert_eq!(stays.uid(), again.uid());
}
