//! Processes that end without notice.

use std::time::Duration;

use anyhow::{Result, ensure};
use erpgo_e2e::{Stage, until};
use serde_json::json;

use crate::first_run::READY;

#[tokio::test]
async fn an_operator_killed_in_mid_rollout_goes_on() -> Result<()> {
    let stage = Stage::set_alone("crash", 30099).await?;
    stage.comes_up(json!({"replicas": 2})).await?;
    let next = json!({"replicas": 2, "image": "erpgo.local/erpgo:v2"});
    stage.apply(&stage.erpgo(next)).await?;
    until("the new Deployment", READY, || async {
        let what = "jsonpath={.spec.template.spec.containers[0].image}";
        let args = ["-n", &stage.namespace, "get", "deployment/shop", "-o", what];
        let image = stage.node.kubectl(&args)?;
        Ok(match image.ends_with(":v2") {
            true => Ok(()),
            false => Err(image),
        })
    })
    .await?;
    stage.node.operator()?.kill()?;
    stage.condition("Ready", "True", READY).await?;
    let jobs = ["-n", &stage.namespace, "get", "jobs", "-o", "name"];
    let jobs = stage.node.kubectl(&jobs)?;
    ensure!(jobs.lines().count() == 1, "one Job is left: {jobs}");
    operator_is_back(&stage).await?;
    stage.strike().await
}

async fn operator_is_back(stage: &Stage) -> Result<()> {
    until("the operator again", Duration::from_secs(60), || async {
        let args = [
            "-n",
            "erpgo-system",
            "get",
            "deployment/erpgo-operator",
            "-o",
            "jsonpath={.status.readyReplicas}",
        ];
        let ready = stage.node.kubectl(&args)?;
        Ok(match ready.trim() {
            "1" => Ok(()),
            other => Err(format!("{other} ready")),
        })
    })
    .await
}
