//! What the cluster refuses or does not have.

use anyhow::Result;
use erpgo_e2e::{Stage, until};
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::json;

use super::{NAMED, named, serves_as_before};
use crate::first_run::READY;

async fn quota(stage: &Stage, pods: u32) -> Result<()> {
    let quotas: Api<ResourceQuota> = stage.api();
    let object =
        json!({"metadata": {"name": "small"}, "spec": {"hard": {"pods": pods.to_string()}}});
    let object = serde_json::from_value(object)?;
    quotas.create(&PostParams::default(), &object).await?;
    // Until what there is has been counted, nothing is held against it.
    until("the quota to count", NAMED, || async {
        let status = quotas.get("small").await?.status.unwrap_or_default();
        Ok(if status.hard.is_some() && status.used.is_some() {
            Ok(())
        } else {
            Err(format!("{status:?}"))
        })
    })
    .await
}

async fn lift(stage: &Stage) -> Result<()> {
    let quotas: Api<ResourceQuota> = stage.api();
    quotas.delete("small", &DeleteParams::default()).await?;
    Ok(())
}

#[tokio::test]
async fn a_quota_is_named_and_heals() -> Result<()> {
    let stage = Stage::set("quota", 30104).await?;
    quota(&stage, 0).await?;
    stage.apply(&stage.erpgo(json!({"replicas": 1}))).await?;
    let words = ["exceeded quota: small", "raise the quota"];
    named(&stage, "Degraded", "True", &words).await?;
    lift(&stage).await?;
    stage.condition("Ready", "True", READY).await?;

    // And while a version serves: the second pod is refused, the first goes on. A migration pod that
    // has ended is not counted.
    let pods = stage.ready_pods().await?;
    quota(&stage, 1).await?;
    stage.apply(&stage.erpgo(json!({"replicas": 2}))).await?;
    named(&stage, "Degraded", "True", &words).await?;
    serves_as_before(&stage, &pods).await?;
    lift(&stage).await?;
    stage.condition("Ready", "True", READY).await?;
    stage.strike().await
}

#[tokio::test]
async fn a_missing_optional_crd_is_named_and_stops_nothing() -> Result<()> {
    let stage = Stage::set("no-crd", 30105).await?;
    let monitoring = json!({"replicas": 1, "monitoring": {"enabled": true}});
    stage.comes_up(monitoring).await?;
    let words = ["CRDMissing", "install them"];
    named(&stage, "MonitoringReady", "False", &words).await?;
    let off =
        json!({"replicas": 1, "monitoring": {"enabled": false, "alerts": {"enabled": false}}});
    stage.apply(&stage.erpgo(off)).await?;
    stage.condition("MonitoringReady", "True", READY).await?;
    stage.strike().await
}
