//! Pods that have ended and were left behind, as a node under pressure does.

use erpgo_crds::{Acks, ErpGo};
use erpgo_operator::reconcile::build::migration_job::EXIT_SQL;
use erpgo_operator::reconcile::names::ATTEMPT;
use erpgo_operator::reconcile::observed::MAX_PODS;
use erpgo_tests::operator::Operator;
use erpgo_tests::shop::Shop;
use erpgo_tests::wait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

const AT_ONCE: usize = 16;

/// Makes a pod as the controllers of the Deployment would, and reports `status` as its kubelet would.
async fn pod(
    shop: &Shop,
    template: &PodTemplateSpec,
    name: String,
    status: &Value,
) -> anyhow::Result<()> {
    let pods: Api<Pod> = shop.api();
    let mut pod = Pod {
        metadata: template.metadata.clone().unwrap_or_default(),
        spec: template.spec.clone(),
        status: None,
    };
    pod.metadata.name = Some(name.clone());
    pods.create(&PostParams::default(), &pod).await?;
    let status = json!({"status": status});
    pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status))
        .await?;
    Ok(())
}

async fn acks(shop: &Shop) -> Option<Acks> {
    let erpgo: ErpGo = shop.get("shop").await.unwrap();
    erpgo.status?.secret_set?.acks
}

/// A shop at rest that as many pods were evicted from as are read at once.
async fn after_an_eviction(prefix: &str) -> (Shop, Operator, PodTemplateSpec) {
    let shop = Shop::prepare(prefix).await.unwrap();
    let operator = Operator::start(shop.cluster(), shop.namespace())
        .await
        .unwrap();
    shop.settle(&json!({})).await.unwrap();
    let deployment: Deployment = shop.get("shop").await.unwrap();
    let template = deployment.spec.unwrap().template;
    let evicted = json!({"phase": "Failed", "reason": "Evicted", "podIP": "127.0.0.8", "podIPs": [{"ip": "127.0.0.8"}]});
    // By name they come first.
    let many = stream::iter(0..MAX_PODS)
        .map(|number| pod(&shop, &template, format!("shop-a-{number}"), &evicted));
    let made: anyhow::Result<Vec<()>> = many.buffer_unordered(AT_ONCE).try_collect().await;
    made.unwrap();
    (shop, operator, template)
}

/// Reports that the migration ended with an SQL error, as the Job's pod and controller would.
async fn fail_migration(shop: &Shop) {
    let job = wait::until("a migration Job", async || {
        Ok(shop.unfinished_jobs("migration").await?.into_iter().next())
    });
    let job = job.await.unwrap();
    let report = json!({"outcome": "failed", "migration": "0002_x", "error": "no such column", "retryable": false});
    let end = json!({"exitCode": EXIT_SQL, "reason": "Error", "message": report.to_string()});
    let container = json!({"name": "migrate", "image": "erpgo", "imageID": "erpgo", "ready": false, "restartCount": 0, "state": {"terminated": end}});
    let ended = json!({"phase": "Failed", "containerStatuses": [container]});
    let template = job.spec.unwrap().template;
    let name = job.metadata.name.unwrap();
    pod(shop, &template, format!("{name}-x"), &ended)
        .await
        .unwrap();
    let now = "2026-01-01T00:00:00Z";
    let condition = |kind: &str| json!({"type": kind, "status": "True", "reason": "PodFailurePolicy", "lastTransitionTime": now, "lastProbeTime": now});
    let conditions = ["FailureTarget", "Failed"].map(condition);
    let status = json!({"status": {"startTime": now, "failed": 1, "conditions": conditions}});
    let jobs: Api<Job> = shop.api();
    jobs.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
}

/// I-03: a rotation waits for whoever serves, however many have ended before.
#[tokio::test]
async fn pods_that_were_evicted_are_not_counted_and_hide_none_that_serves() {
    let (shop, operator, template) = after_an_eviction("evicted").await;
    shop.looked_at_by(&operator).await.unwrap();
    assert_eq!(acks(&shop).await, None);
    let serves = json!({"phase": "Running", "podIP": "127.0.0.9", "podIPs": [{"ip": "127.0.0.9"}]});
    pod(&shop, &template, "shop-b".into(), &serves)
        .await
        .unwrap();
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
    fail_migration(&shop).await;
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
