//! `kubectl delete` ends everything but data and secrets, and never hangs.

use std::time::Duration;

use anyhow::{Result, ensure};
use erpgo_e2e::{Stage, services, until};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use serde_json::json;
use sqlx::Row as _;

use crate::first_run::READY;

#[tokio::test]
async fn deletion_keeps_data_and_secrets() -> Result<()> {
    let stage = Stage::set("delete", 30100).await?;
    stage.comes_up(json!({"replicas": 1})).await?;

    stage.node.kubectl(&[
        "-n",
        &stage.namespace,
        "delete",
        "erp/shop",
        "--timeout=60s",
    ])?;
    let deployments: Api<Deployment> = stage.api();
    until(
        "the Deployment is collected",
        Duration::from_secs(60),
        || async {
            Ok(deployments
                .get_opt("shop")
                .await?
                .map_or(Ok(()), |_| Err("still there".to_owned())))
        },
    )
    .await?;
    let secrets: Api<Secret> = stage.api();
    ensure!(
        secrets.get_opt("shop-secret-set").await?.is_some(),
        "I-08: the secret set stays"
    );
    let mut database = stage.database().await?;
    let users: i64 = sqlx::query("SELECT count(*) FROM users")
        .fetch_one(&mut database)
        .await?
        .get(0);
    ensure!(users == 1, "I-08: the data stays");
    drop(database);
    stage.strike().await
}

#[tokio::test]
async fn deletion_does_not_need_the_database() -> Result<()> {
    let stage = Stage::set_alone("delete-down", 30101).await?;
    stage.comes_up(json!({"replicas": 1})).await?;
    services("stop-postgres")?;
    let deleted = stage.node.kubectl(&[
        "-n",
        &stage.namespace,
        "delete",
        "erp/shop",
        "--timeout=60s",
    ]);
    services("start-postgres")?;
    deleted?;
    stage.strike().await
}

#[tokio::test]
async fn deletion_does_not_hang_at_any_phase() -> Result<()> {
    let stage = Stage::set("delete-early", 30106).await?;
    let delete = || {
        let args = [
            "-n",
            &stage.namespace,
            "delete",
            "erp/shop",
            "--timeout=60s",
        ];
        stage.node.kubectl(&args)
    };
    let missing = json!({"database": {"secretRef": {"name": "not-there"}}});
    stage.apply(&stage.erpgo(missing)).await?;
    stage.condition("Degraded", "True", READY).await?;
    delete()?;

    stage
        .apply(
            &stage.erpgo(json!({"image": "erpgo.local/erpgo:nowhere", "imagePullPolicy": "Never"})),
        )
        .await?;
    stage.condition("Degraded", "True", READY).await?;
    delete()?;

    stage.apply(&stage.erpgo(json!({"replicas": 2}))).await?;
    stage.condition("MigrationsApplied", "True", READY).await?;
    delete()?;
    stage.strike().await
}
