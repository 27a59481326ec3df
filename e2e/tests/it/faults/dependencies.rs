//! Pods, children, Redis and PostgreSQL go away and come back.

use std::time::Duration;

use anyhow::{Result, ensure};
use erpgo_e2e::{Stage, services, until};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, DeleteParams};
use serde_json::json;

use super::{named, no_container_restarted};
use crate::first_run::{READY, admin};

#[tokio::test]
async fn pods_children_and_dependencies_may_die() -> Result<()> {
    let stage = Stage::set_alone("faults", 30096).await?;
    stage.comes_up(json!({"replicas": 2})).await?;
    let session = admin(&stage).await?;

    a_killed_pod_is_replaced(&stage).await?;
    a_deleted_child_comes_back(&stage).await?;
    without_redis_requests_succeed(&stage, &session).await?;
    a_database_restart_heals(&stage, &session).await?;
    without_the_database_the_cause_is_named(&stage).await?;
    stage.strike().await
}

async fn a_killed_pod_is_replaced(stage: &Stage) -> Result<()> {
    let before = stage.ready_pods().await?;
    let pods: Api<Pod> = stage.api();
    let params = DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    };
    pods.delete(&before[0], &params).await?;
    until("two ready pods again", Duration::from_secs(60), || async {
        let now = stage.ready_pods().await?;
        let replaced = now.len() == 2 && !now.contains(&before[0]);
        Ok(if replaced {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        })
    })
    .await
}

async fn a_deleted_child_comes_back(stage: &Stage) -> Result<()> {
    let deployments: Api<Deployment> = stage.api();
    let maps: Api<ConfigMap> = stage.api();
    let pods = stage.ready_pods().await?;
    maps.delete("shop-config", &DeleteParams::default()).await?;
    until("the ConfigMap again", Duration::from_secs(15), || async {
        Ok(maps
            .get_opt("shop-config")
            .await?
            .map(|_| ())
            .ok_or_else(|| "still gone".to_owned()))
    })
    .await?;
    let edit = json!({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 7}}}});
    deployments
        .patch(
            "shop",
            &kube::api::PatchParams::default(),
            &kube::api::Patch::Merge(&edit),
        )
        .await?;
    until("the edit undone", Duration::from_secs(15), || async {
        let grace = deployments
            .get("shop")
            .await?
            .spec
            .and_then(|s| s.template.spec?.termination_grace_period_seconds);
        Ok(if grace == Some(45) {
            Ok(())
        } else {
            Err(format!("{grace:?}"))
        })
    })
    .await?;
    stage.condition("Ready", "True", READY).await?;
    ensure!(!pods.is_empty(), "there were pods");
    Ok(())
}

async fn without_redis_requests_succeed(stage: &Stage, session: &erpgo_e2e::Session) -> Result<()> {
    services("stop-redis")?;
    let outcome = async {
        until(
            "readiness says degraded and stays 200",
            Duration::from_secs(20),
            || async {
                let answer = stage.http()?.get("/health/ready").await?;
                let (status, body) = (answer.status, answer.text);
                ensure!(status == 200, "not ready without Redis: {body}");
                Ok(if body.contains("degraded") {
                    Ok(())
                } else {
                    Err(body)
                })
            },
        )
        .await?;
        let (status, body) = stage
            .http()?
            .send(session, reqwest::Method::GET, "/api/v1/products", None)
            .await?;
        ensure!(
            status == 200,
            "r07_4: without Redis a read answered {status}: {body}"
        );
        let words = ["RedisUnavailable", "2 pods", "by themselves"];
        named(stage, "Degraded", "True", &words).await?;
        named(stage, "Ready", "True", &["redis cannot be reached"]).await
    }
    .await;
    services("start-redis")?;
    outcome?;
    stage.condition("Degraded", "False", READY).await?;
    Ok(())
}

async fn without_the_database_the_cause_is_named(stage: &Stage) -> Result<()> {
    services("stop-postgres")?;
    let outcome = async {
        let words = ["DatabaseUnavailable", "Secret database", "by themselves"];
        named(stage, "Degraded", "True", &words).await?;
        named(stage, "Ready", "False", &[]).await
    }
    .await;
    services("start-postgres")?;
    outcome?;
    stage.condition("Ready", "True", READY).await?;
    no_container_restarted(stage)
}

// The pod that was found ready is not the only one that answers.
async fn a_user_works_again(stage: &Stage, session: &erpgo_e2e::Session) -> Result<()> {
    let (http, path) = (stage.http()?, "/api/v1/products");
    let id = until("a product is created", Duration::from_secs(30), || async {
        // Each try with its own: one that was not answered may have been heard.
        let sku = format!("HEALED-{}", uuid::Uuid::new_v4().simple());
        let product = json!({"sku": sku, "name": "Chair", "price": "9.90", "currency": "EUR"});
        let (status, body) = http
            .send(session, reqwest::Method::POST, path, Some(product))
            .await?;
        let id = body["id"].as_str().filter(|_| status == 201);
        Ok(id
            .map(str::to_owned)
            .ok_or_else(|| format!("{status}: {body}")))
    })
    .await?;
    let path = format!("{path}/{id}");
    until("the product is read", Duration::from_secs(30), || async {
        let (status, body) = http
            .send(session, reqwest::Method::GET, &path, None)
            .await?;
        Ok(if status == 200 && body["id"] == id.as_str() {
            Ok(())
        } else {
            Err(format!("{status}: {body}"))
        })
    })
    .await
}

async fn a_database_restart_heals(stage: &Stage, session: &erpgo_e2e::Session) -> Result<()> {
    services("restart-postgres")?;
    until(
        "ready after the restart",
        Duration::from_secs(30),
        || async {
            let status = stage.http()?.get("/health/ready").await?.status;
            Ok(if status == 200 {
                Ok(())
            } else {
                Err(status.to_string())
            })
        },
    )
    .await?;
    a_user_works_again(stage, session).await?;
    no_container_restarted(stage)
}
