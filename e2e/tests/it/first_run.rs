//! A platform team writes one resource; an end user creates a product, and a new one takes the walk of the
//! docs. Then the team changes settings.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use erpgo_crds::ErpGo;
use erpgo_e2e::{Session, Stage, until};
use erpgo_test_kit::guide;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ListParams};
use reqwest::Method;
use serde_json::json;

use crate::settings;

pub(crate) use erpgo_e2e::READY;

const WALKTHROUGH: &str = include_str!("../../../docs/guides/walkthrough.md");
/// It takes a few seconds on a machine that does nothing else.
const WALK: Duration = Duration::from_secs(120);
/// From a pod's readiness until the rules of the NodePort follow.
const LED: Duration = Duration::from_secs(30);

/// E-mail and password of the administrator whom the operator made.
pub(crate) async fn credentials(stage: &Stage) -> Result<(String, String)> {
    let secrets: Api<Secret> = stage.api();
    let data = secrets.get("shop-admin").await?.data.unwrap_or_default();
    let text = |key: &str| String::from_utf8(data[key].0.clone());
    Ok((text("email")?, text("password")?))
}

/// Logs in as the administrator whom the operator made.
pub(crate) async fn admin(stage: &Stage) -> Result<Session> {
    let (email, password) = credentials(stage).await?;
    leads_to_a_pod(stage).await?;
    stage.http()?.login(&email, &password).await
}

/// Waits as a person does until the ErpGo is Ready; kubectl takes no condition of an earlier spec.
pub(crate) fn wait(stage: &Stage) -> Result<String> {
    stage.node.kubectl(&[
        "-n",
        &stage.namespace,
        "wait",
        "erp/shop",
        "--for=condition=Ready",
        "--timeout=180s",
    ])
}

/// kube-proxy hears of a pod no sooner than the operator does.
async fn leads_to_a_pod(stage: &Stage) -> Result<()> {
    until("the NodePort to lead to a pod", LED, || async {
        let status = stage.http()?.get("/health/live").await?.status;
        Ok(if status == 200 {
            Ok(())
        } else {
            Err(status.to_string())
        })
    })
    .await
}

#[tokio::test]
async fn one_resource_becomes_a_running_api() -> Result<()> {
    let stage = Stage::set("first-run", 30091).await?;
    let started = Instant::now();
    stage.apply(&stage.erpgo(json!({"replicas": 2}))).await?;
    let printed = wait(&stage)?;
    println!("ready after {:?}: {}", started.elapsed(), printed.trim());

    the_migration_came_first(&stage).await?;
    a_product_can_be_created(&stage).await?;
    the_walk_can_be_taken(&stage).await?;
    a_second_look_changes_nothing(&stage).await?;
    settings::are_taken_up(&stage).await?;
    stage.strike().await
}

async fn the_migration_came_first(stage: &Stage) -> Result<()> {
    let jobs: Api<Job> = stage.api();
    let list = jobs.list(&ListParams::default()).await?;
    ensure!(
        list.items.len() == 1,
        "one migration Job, not {}",
        list.items.len()
    );
    let status = list.items[0].status.clone().unwrap_or_default();
    ensure!(
        status.succeeded == Some(1),
        "the Job completed beside its sidecar: {status:?}"
    );
    let deployments: Api<Deployment> = stage.api();
    let deployment = deployments.get("shop").await?;
    ensure!(
        status.completion_time.map(|t| t.0) <= deployment.metadata.creation_timestamp.map(|t| t.0),
        "I-01: the Deployment is younger than the migration's end"
    );
    Ok(())
}

async fn a_product_can_be_created(stage: &Stage) -> Result<()> {
    let session = admin(stage).await?;
    let http = stage.http()?;
    let product =
        json!({"sku": "CHAIR-1", "name": "Oak chair", "price": "149.90", "currency": "EUR"});
    let (status, body) = http
        .send(&session, Method::POST, "/api/v1/products", Some(product))
        .await?;
    ensure!(status == 201, "creation answered {status}: {body}");
    let (status, list) = http
        .send(&session, Method::GET, "/api/v1/products", None)
        .await?;
    ensure!(
        status == 200 && list["products"][0]["sku"] == "CHAIR-1",
        "the list shows it: {list}"
    );
    let stranger = http.get("/api/v1/products").await?;
    ensure!(
        stranger.status == 401,
        "without a token: {}",
        stranger.status
    );
    Ok(())
}

/// As it stands in the docs: through the NodePort, with whichever of the two pods answers.
async fn the_walk_can_be_taken(stage: &Stage) -> Result<()> {
    let (email, password) = credentials(stage).await?;
    let http = stage.http()?;
    let variables = [
        ("API", http.base()),
        ("ADMIN_EMAIL", &*email),
        ("ADMIN_PASSWORD", &*password),
    ];
    let begun = Instant::now();
    let told = guide::run(WALKTHROUGH, &variables, WALK).await?;
    ensure!(told.ends_with("walked to the end\n"), "{told}");
    ensure!(told.contains(&email), "the administrator's profile: {told}");
    println!("walked for {:?}", begun.elapsed());
    Ok(())
}

async fn a_second_look_changes_nothing(stage: &Stage) -> Result<()> {
    let api: Api<ErpGo> = stage.api();
    let before = api.get("shop").await?.metadata.resource_version;
    stage.apply(&stage.erpgo(json!({"replicas": 2}))).await?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let after = api.get("shop").await?.metadata.resource_version;
    ensure!(
        before == after,
        "I-05: applying the same resource moved it from {before:?} to {after:?}"
    );
    Ok(())
}
