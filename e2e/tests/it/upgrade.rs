//! A second image with a new migration under load, and images whose migrations do not go through.

use std::time::Duration;

use anyhow::{Result, ensure};
use erpgo_e2e::{Load, Stage, until};
use serde_json::json;

use crate::faults::{named, serves_as_before};
use crate::first_run::{READY, admin, wait};

const RATE: u32 = 600;
const LEAST: u64 = 60_000;
/// Longer than all that is waited for meanwhile; a token is good for fifteen minutes.
const LONGEST: Duration = Duration::from_secs(840);

// The load has a thread of its own: this one waits for kubectl.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_upgrade_under_load_loses_no_request() -> Result<()> {
    let stage = Stage::set_alone("upgrade", 30092).await?;
    stage.comes_up(json!({"replicas": 2})).await?;
    let session = admin(&stage).await?;
    let http = stage.http()?;
    let first = pods(&stage).await?;
    let load = Load::start(
        &http,
        "/api/v1/products?limit=1",
        Some(&session.access_token),
        RATE,
        LONGEST,
    )?;

    stage
        .apply(&stage.erpgo(json!({"replicas": 2, "image": "erpgo.local/erpgo:v2"})))
        .await?;
    wait(&stage)?;
    let second = replaced(&stage, &first).await?;
    ensure!(version(&stage).await? == "2", "the new version serves");
    stage.apply(&stage.erpgo(json!({"replicas": 2, "image": "erpgo.local/erpgo:v2", "tracing": {"otlpEndpoint": "http://127.0.0.1:4318"}}))).await?;
    wait(&stage)?;
    replaced(&stage, &second).await?;

    are_sent(&load).await?;
    let report = load.stop().await?;
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
    report.is_clean()?;
    stage.strike().await
}

#[tokio::test]
async fn a_failing_migration_keeps_the_old_version_serving() -> Result<()> {
    let stage = Stage::set("broken", 30093).await?;
    stage.comes_up(json!({"replicas": 1})).await?;
    let pods = stage.ready_pods().await?;

    stage
        .apply(&stage.erpgo(json!({"replicas": 1, "image": "erpgo.local/erpgo:broken"})))
        .await?;
    let words = [
        "9002_e2e_broken",
        "statement: ALTER TABLE e2e_table_that_does_not_exist",
        "set spec.image to an image with a corrected migration",
    ];
    named(&stage, "MigrationsApplied", "False", &words).await?;
    named(&stage, "Degraded", "True", &["9002_e2e_broken"]).await?;
    serves_as_before(&stage, &pods).await?;

    stage.comes_up(json!({"replicas": 1})).await?;
    ensure!(
        stage.ready_pods().await? == pods,
        "going back restarts nothing"
    );
    stage.strike().await
}

#[tokio::test]
async fn a_destructive_migration_waits_for_leave() -> Result<()> {
    let stage = Stage::set("destructive", 30094).await?;
    stage.comes_up(json!({"replicas": 1})).await?;
    let pods = stage.ready_pods().await?;

    let image = "erpgo.local/erpgo:destructive";
    stage
        .apply(&stage.erpgo(json!({"replicas": 1, "image": image})))
        .await?;
    let words = [
        "9003_e2e_destructive",
        "statement: DROP TABLE e2e_destroyed",
        "set spec.migrations.allowDestructive to true",
    ];
    named(&stage, "MigrationsApplied", "False", &words).await?;
    serves_as_before(&stage, &pods).await?;

    stage
        .comes_up(json!({"replicas": 1, "image": image, "migrations": {"allowDestructive": true}}))
        .await?;
    stage.strike().await
}

async fn pods(stage: &Stage) -> Result<Vec<String>> {
    let pods = stage.pods().await?.into_iter();
    Ok(pods.filter_map(|pod| pod.metadata.name).collect())
}

/// Waits until there are two pods and none of `old`, which may answer while it ends; tells the two.
async fn replaced(stage: &Stage, old: &[String]) -> Result<Vec<String>> {
    until("the old pods to be gone", READY, || async {
        let now = pods(stage).await?;
        let others = now.len() == 2 && now.iter().all(|pod| !old.contains(pod));
        Ok(if others {
            Ok(now)
        } else {
            Err(format!("{now:?}"))
        })
    })
    .await
}

async fn are_sent(load: &Load) -> Result<()> {
    until("enough requests to be sent", READY, || async {
        let sent = load.sent();
        Ok(if sent >= LEAST {
            Ok(())
        } else {
            Err(format!("{sent} of {LEAST}"))
        })
    })
    .await
}

async fn version(stage: &Stage) -> Result<String> {
    let body = stage.http()?.get("/health/live").await?.json()?;
    Ok(body["version"].as_str().unwrap_or_default().to_owned())
}
