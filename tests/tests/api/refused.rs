//! What the operator may read and not write: it is told, nothing else waits for it, and the rotation goes on
//! when it may be written again.

use erpgo_crds::{ErpGo, ErpGoStatus};
use erpgo_operator::reconcile::rotation_log::{self, LOG_KEY};
use erpgo_tests::operator::Operator;
use erpgo_tests::shop::{Shop, image};
use erpgo_tests::wait;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, ResourceQuota, Secret};
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;

const SET: &str = "shop-secret-set";
const LOG: &str = "shop-rotation-log";
const ROTATE: &str = "erpgo.io/rotate";
const QUOTA: &str = "few-jobs";

async fn settled() -> (Shop, Operator) {
    let (shop, operator) = Shop::with_operator("refused").await.unwrap();
    shop.settle(&json!({})).await.unwrap();
    (shop, operator)
}

async fn status(shop: &Shop) -> ErpGoStatus {
    let erpgo: ErpGo = shop.get("shop").await.unwrap();
    erpgo.status.unwrap()
}

/// What `Degraded` says, once it is true of the newest spec.
async fn fault(shop: &Shop) -> String {
    shop.wait_condition("Degraded", "True").await.unwrap();
    let conditions = status(shop).await.conditions;
    let degraded = conditions.iter().find(|told| told.type_ == "Degraded");
    degraded.unwrap().message.clone()
}

/// Wakes the operator and waits until jwt has turned and nothing is wrong.
async fn until_rotated(shop: &Shop) {
    shop.annotate("example.com/look", "mended").await.unwrap();
    let turned = wait::until("a rotation that has ended well", async || {
        let rotation = status(shop).await.rotation.unwrap_or_default();
        let last = rotation.last.filter(|last| last.outcome == "Switched");
        Ok(last.filter(|last| last.keys == ["jwt"]))
    });
    turned.await.unwrap();
    shop.wait_condition("Degraded", "False").await.unwrap();
    let set = status(shop).await.secret_set.unwrap();
    // Staged and promoted: each once.
    assert_eq!(set.generation, 3);
}

/// The same Secret in its place, which may be changed.
async fn make_mutable(shop: &Shop) {
    let secrets: Api<Secret> = shop.api();
    let old = secrets.get(SET).await.unwrap();
    secrets.delete(SET, &DeleteParams::default()).await.unwrap();
    let new = Secret {
        metadata: ObjectMeta {
            name: old.metadata.name,
            labels: old.metadata.labels,
            annotations: old.metadata.annotations,
            ..ObjectMeta::default()
        },
        data: old.data,
        ..Secret::default()
    };
    secrets.create(&PostParams::default(), &new).await.unwrap();
}

/// The Deployment, once it wants so many pods.
async fn scaled_to(shop: &Shop, replicas: i32) -> Deployment {
    let scaled = wait::until("another number of replicas", async || {
        let deployment: Deployment = shop.get("shop").await?;
        let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
        Ok((wanted == Some(replicas)).then_some(deployment))
    });
    scaled.await.unwrap()
}

/// Comes back when no Job more is let in. No controller counts here, so that the quota is told what there is.
async fn no_more_jobs(shop: &Shop) {
    let quotas: Api<ResourceQuota> = shop.api();
    let hard = json!({"count/jobs.batch": "1"});
    let quota = json!({"metadata": {"name": QUOTA}, "spec": {"hard": hard}});
    let quota = serde_json::from_value(quota).unwrap();
    quotas.create(&PostParams::default(), &quota).await.unwrap();
    let full = json!({"status": {"hard": hard, "used": hard}});
    quotas
        .patch_status(QUOTA, &PatchParams::default(), &Patch::Merge(&full))
        .await
        .unwrap();
    let container = json!({"name": "probe", "image": "probe"});
    let probe = json!({"metadata": {"name": "probe"}, "spec": {"template": {"spec": {
        "restartPolicy": "Never", "containers": [container]}}}});
    let probe: Job = serde_json::from_value(probe).unwrap();
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let jobs: Api<Job> = shop.api();
    let refused = wait::until("a quota that refuses", async || {
        let tried = jobs.create(&dry, &probe).await;
        let refused = tried.is_err_and(|error| error.to_string().contains("exceeded quota"));
        Ok(refused.then_some(()))
    });
    refused.await.unwrap();
}

#[tokio::test]
async fn a_job_that_is_refused_holds_up_no_pod_of_what_serves() {
    let (shop, _operator) = settled().await;
    let deployment: Deployment = shop.get("shop").await.unwrap();
    let before = image(&deployment).cloned();
    no_more_jobs(&shop).await;
    let wanted = json!({"image": "erpgo.local/erpgo:2", "replicas": 3});
    shop.apply(&wanted).await.unwrap();
    let deployment = scaled_to(&shop, 3).await;
    assert_eq!(image(&deployment), before.as_ref());
    let told = fault(&shop).await;
    assert!(told.contains("exceeded quota"), "{told}");

    let quotas: Api<ResourceQuota> = shop.api();
    quotas
        .delete(QUOTA, &DeleteParams::default())
        .await
        .unwrap();
    shop.annotate("example.com/look", "mended").await.unwrap();
    shop.finish_migration().await.unwrap();
}

#[tokio::test]
async fn a_secret_set_that_cannot_be_written_holds_up_its_rotation_and_nothing_else() {
    let (shop, operator) = settled().await;
    let fixed = json!({"immutable": true});
    let secrets: Api<Secret> = shop.api();
    secrets
        .patch(SET, &PatchParams::default(), &Patch::Merge(&fixed))
        .await
        .unwrap();
    shop.annotate(ROTATE, "jwt=refused").await.unwrap();
    let told = fault(&shop).await;
    assert!(told.contains(SET) && told.contains("immutable"), "{told}");

    shop.apply(&json!({"replicas": 3})).await.unwrap();
    scaled_to(&shop, 3).await;
    shop.looked_at_by(&operator).await.unwrap();
    assert!(fault(&shop).await.contains("immutable"), "it is forgotten");
    let now = status(&shop).await;
    assert_eq!(now.secret_set.unwrap().generation, 1);
    let active = now.rotation.unwrap().active.unwrap();
    assert_eq!(active.step, "Begin", "{active:?}");

    make_mutable(&shop).await;
    until_rotated(&shop).await;
}

#[tokio::test]
async fn a_rotation_log_that_cannot_be_written_holds_up_its_rotation_and_is_told_in_the_status() {
    let (shop, operator) = settled().await;
    let logs: Api<ConfigMap> = shop.api();
    let fixed = json!({"metadata": {"name": LOG}, "immutable": true, "data": {LOG_KEY: ""}});
    let fixed = serde_json::from_value(fixed).unwrap();
    logs.create(&PostParams::default(), &fixed).await.unwrap();
    shop.annotate(ROTATE, "jwt=not logged").await.unwrap();
    let told = fault(&shop).await;
    assert!(told.contains(LOG) && told.contains("immutable"), "{told}");

    // The status goes on telling of the newest spec.
    shop.apply(&json!({"replicas": 3})).await.unwrap();
    assert!(fault(&shop).await.contains(LOG));
    shop.looked_at_by(&operator).await.unwrap();
    let now = status(&shop).await;
    let rotation = now.rotation.unwrap();
    // What is not in the log has not begun.
    assert_eq!((rotation.active, rotation.handled_rotate), (None, None));
    assert_eq!(now.secret_set.unwrap().generation, 1);

    logs.delete(LOG, &DeleteParams::default()).await.unwrap();
    until_rotated(&shop).await;
    let data = logs.get(LOG).await.unwrap().data.unwrap();
    let log = rotation_log::parse(&data[LOG_KEY]);
    let begun = log.iter().filter(|entry| entry.reason == "RotationBegun");
    assert_eq!(begun.count(), 1, "{log:#?}");
}
