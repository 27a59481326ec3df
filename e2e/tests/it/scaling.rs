//! Load makes pods, calm takes them away, and the operator does not interfere.

use std::time::Duration;

use anyhow::Result;
use erpgo_e2e::{Load, Stage, until};
use serde_json::json;

use crate::first_run::admin;

// The load has a thread of its own.
/// r17_3: more instances for more load, and none of it lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_autoscaler_scales_under_load_and_back() -> Result<()> {
    let stage = Stage::set_alone("scaling", 30095).await?;
    let spec = json!({
        "autoscaling": {"minReplicas": 1, "maxReplicas": 3, "targetCpuPercent": 50, "scaleDownStabilizationSeconds": 5},
        "resources": {"cpuRequest": "50m", "memoryRequest": "64Mi", "memoryLimit": "256Mi"}
    });
    stage.comes_up(spec).await?;
    let session = admin(&stage).await?;
    let http = stage.http()?;
    let load = Load::start(
        &http,
        "/api/v1/products?limit=1",
        Some(&session.access_token),
        200,
        Duration::from_secs(180),
    )?;
    pods(&stage, "two pods or more under load", |count| count >= 2).await?;
    let report = load.stop().await?;
    println!(
        "scaled out under {} requests, {} failed",
        report.sent, report.failed
    );
    report.is_clean()?;
    pods(&stage, "one pod in calm", |count| count == 1).await?;
    stage.strike().await
}

async fn pods(stage: &Stage, what: &str, wanted: fn(usize) -> bool) -> Result<()> {
    until(what, Duration::from_secs(180), || async {
        let count = stage.ready_pods().await?.len();
        Ok(if wanted(count) {
            Ok(())
        } else {
            Err(format!("{count} ready pods"))
        })
    })
    .await
}
