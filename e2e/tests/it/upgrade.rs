//! A second image with a new migration under load, and images whose migrations do not go through.

use std::time::Duration;

use anyhow::{Result, ensure};
use erpgo_e2e::{Load, Stage, until};
use serde_json::json;

use crate::first_run::{READY, admin};

const RATE: u32 = 600;
const LEAST: u64 = 60_000;

#[tokio::test]
async fn an_upgrade_under_load_loses_no_request() -> Result<()> {
    let stage = Stage::set_alone("upgrade", 30092).await?;
    stage.apply(&stage.erpgo(json!({"replicas": 2}))).await?;
    stage.condition("Ready", "True", READY).await?;
    let session = admin(&stage).await?;
    let http = stage.http()?;
    let limit = Duration::from_secs(LEAST / u64::from(RATE) + 2);
    let load = Load::start(
        &http,
        "/api/v1/products?limit=1",
        Some(&session.access_token),
        RATE,
        limit,
    )?;

    stage
        .apply(&stage.erpgo(json!({"replicas": 2, "image": "erpgo.local/erpgo:v2"})))
        .await?;
    stage.condition("Ready", "True", READY).await?;
    ensure!(version(&stage).await? == "2", "the new version serves");
    stage.apply(&stage.erpgo(json!({"replicas": 2, "image": "erpgo.local/erpgo:v2", "tracing": {"otlpEndpoint": "http://127.0.0.1:4318"}}))).await?;
    stage.condition("Ready", "True", READY).await?;

    let report = load.wait().await?;
    println!(
        "{} requests at {RATE}/s through two rollouts: {} failed, p50 {:?}, p99 {:?}, generator lag {:?}",
        report.sent,
        report.failed,
        report.quantile(0.5),
        report.quantile(0.99),
        report.generator_lag
    );
    ensure!(
        report.sent >= LEAST,
        "only {} requests were sent",
        report.sent
    );
    ensure!(
        report.failed == 0,
        "{} of {} were lost: {:?}",
        report.failed,
        report.sent,
        report.examples
    );
    stage.strike().await
}

#[tokio::test]
async fn a_failing_migration_keeps_the_old_version_serving() -> Result<()> {
    let stage = Stage::set("broken", 30093).await?;
    stage.apply(&stage.erpgo(json!({"replicas": 1}))).await?;
    stage.condition("Ready", "True", READY).await?;
    let pods = stage.ready_pods().await?;

    stage
        .apply(&stage.erpgo(json!({"replicas": 1, "image": "erpgo.local/erpgo:broken"})))
        .await?;
    let message = stage
        .condition("MigrationsApplied", "False", Duration::from_secs(30))
        .await?;
    until(
        "the failing statement in the condition",
        Duration::from_secs(30),
        || async {
            let now = stage
                .condition("MigrationsApplied", "False", Duration::from_secs(1))
                .await?;
            Ok(if now.contains("9002") {
                Ok(())
            } else {
                Err(now)
            })
        },
    )
    .await?;
    println!("first seen: {message}");
    stage
        .condition("Degraded", "True", Duration::from_secs(30))
        .await?;
    ensure!(
        stage.ready_pods().await? == pods,
        "the old pods go on, untouched"
    );
    ensure!(
        stage.http()?.get("/health/ready").await?.status() == 200,
        "and serve"
    );

    stage.apply(&stage.erpgo(json!({"replicas": 1}))).await?;
    stage.condition("Ready", "True", READY).await?;
    ensure!(
        stage.ready_pods().await? == pods,
        "going back restarts nothing"
    );
    stage.strike().await
}

#[tokio::test]
async fn a_destructive_migration_waits_for_leave() -> Result<()> {
    let stage = Stage::set("destructive", 30094).await?;
    stage.apply(&stage.erpgo(json!({"replicas": 1}))).await?;
    stage.condition("Ready", "True", READY).await?;

    let image = "erpgo.local/erpgo:destructive";
    stage
        .apply(&stage.erpgo(json!({"replicas": 1, "image": image})))
        .await?;
    until(
        "a condition that names the way out",
        Duration::from_secs(45),
        || async {
            let now = stage
                .condition("MigrationsApplied", "False", Duration::from_secs(1))
                .await?;
            Ok(if now.contains("allowDestructive") {
                Ok(())
            } else {
                Err(now)
            })
        },
    )
    .await?;
    ensure!(
        stage.http()?.get("/health/ready").await?.status() == 200,
        "the old version serves"
    );

    stage
        .apply(&stage.erpgo(
            json!({"replicas": 1, "image": image, "migrations": {"allowDestructive": true}}),
        ))
        .await?;
    stage.condition("Ready", "True", READY).await?;
    stage.strike().await
}

async fn version(stage: &Stage) -> Result<String> {
    let body: serde_json::Value = stage.http()?.get("/health/live").await?.json().await?;
    Ok(body["version"].as_str().unwrap_or_default().to_owned())
}
