//! A first administrator that the API refuses.

use erpgo_operator::reconcile::build::migration_job::EXIT_CONFIG;
use erpgo_tests::operator::Operator;
use erpgo_tests::shop::Shop;
use erpgo_tests::wait;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;

const ADMIN: &str = "first-admin";

#[tokio::test]
async fn a_first_administrator_that_was_refused_is_tried_again_once_it_is_corrected() {
    let shop = Shop::prepare("administrator").await.unwrap();
    let secrets: Api<Secret> = shop.api();
    let weak = json!({"metadata": {"name": ADMIN}, "stringData": {"email": "ann@example.org", "password": "ann"}});
    let weak = serde_json::from_value(weak).unwrap();
    secrets.create(&PostParams::default(), &weak).await.unwrap();
    let operator = Operator::start(shop.cluster(), shop.namespace())
        .await
        .unwrap();
    let given = json!({"bootstrapAdmin": {"secretRef": {"name": ADMIN}}});
    shop.apply(&given).await.unwrap();
    let refused = shop.unfinished_job("migration").await.unwrap();
    let report =
        json!({"outcome": "failed", "error": "the password is too short", "retryable": false});
    shop.fail_migration_with(EXIT_CONFIG, &report)
        .await
        .unwrap();
    shop.looked_at_by(&operator).await.unwrap();
    let stays = shop.unfinished_job("migration").await.unwrap();
    assert_eq!(stays.uid(), refused.uid());

    let strong = json!({"stringData": {"password": "purple otters juggle kelp"}});
    let merge = Patch::Merge(&strong);
    secrets
        .patch(ADMIN, &PatchParams::default(), &merge)
        .await
        .unwrap();
    let again = wait::until("another try", async || {
        let mut jobs = shop.unfinished_jobs("migration").await?.into_iter();
        Ok(jobs.find(|job| job.uid() != refused.uid()))
    });
    let again = again.await.unwrap();
    shop.complete(&again).await.unwrap();
    shop.roll_out().await.unwrap();
    shop.wait_condition("Ready", "True").await.unwrap();
}
