//! What the spec names is missing or wrong.

use anyhow::{Result, ensure};
use erpgo_e2e::Stage;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use super::{named, serves_as_before};
use crate::first_run::{READY, admin};

#[tokio::test]
async fn a_missing_database_secret_is_named_and_heals() -> Result<()> {
    let stage = Stage::set("missing", 30097).await?;
    let spec = json!({"replicas": 1, "database": {"secretRef": {"name": "not-there"}}});
    stage.apply(&stage.erpgo(spec)).await?;
    let words = ["not-there", "spec.database.secretRef", "create it"];
    named(&stage, "Degraded", "True", &words).await?;
    named(&stage, "Ready", "False", &words).await?;

    let url = secret_value(&stage, "database", "url").await?;
    stage.put_secret("not-there", json!({"url": url})).await?;
    stage.condition("Ready", "True", READY).await?;
    stage.strike().await
}

#[tokio::test]
async fn a_wrong_password_is_named_and_heals() -> Result<()> {
    let stage = Stage::set("password", 30102).await?;
    let right = secret_value(&stage, "database", "url").await?;
    let wrong = with_password(&right, "not-the-password");
    stage.put_secret("database", json!({"url": wrong})).await?;
    stage.apply(&stage.erpgo(json!({"replicas": 1}))).await?;
    let words = ["password authentication failed", "tried again"];
    named(&stage, "Degraded", "True", &words).await?;

    stage.put_secret("database", json!({"url": right})).await?;
    stage.condition("Ready", "True", READY).await?;
    stage.strike().await
}

#[tokio::test]
async fn a_redis_that_never_answered_is_named_and_heals() -> Result<()> {
    let stage = Stage::set("no-redis", 30115).await?;
    let right = secret_value(&stage, "redis", "url").await?;
    let nowhere = json!({"url": "redis://:nobody@redis.nowhere:6379/0"});
    stage.put_secret("redis", nowhere).await?;
    stage.comes_up(json!({"replicas": 1})).await?;
    let words = ["RedisUnavailable", "Secret redis", "spec.redis.secretRef"];
    named(&stage, "Degraded", "True", &words).await?;
    named(&stage, "Ready", "True", &["redis cannot be reached"]).await?;
    let session = admin(&stage).await?;
    let (status, body) = stage
        .http()?
        .send(&session, reqwest::Method::GET, "/api/v1/products", None)
        .await?;
    ensure!(status == 200, "a read answered {status}: {body}");

    let pods = stage.ready_pods().await?;
    stage.put_secret("redis", json!({"url": right})).await?;
    stage.condition("Degraded", "False", READY).await?;
    serves_as_before(&stage, &pods).await?;
    stage.strike().await
}

#[tokio::test]
async fn an_unknown_image_is_named_and_heals() -> Result<()> {
    let stage = Stage::set("image", 30098).await?;
    let image = "erpgo.local/erpgo:nowhere";
    let spec = json!({"replicas": 1, "image": image, "imagePullPolicy": "Never"});
    stage.apply(&stage.erpgo(spec)).await?;
    named(&stage, "Degraded", "True", &[image, "correct the image"]).await?;
    stage.comes_up(json!({"replicas": 1})).await?;

    // And while a version serves.
    let pods = stage.ready_pods().await?;
    stage
        .apply(&stage.erpgo(json!({"replicas": 1, "image": image})))
        .await?;
    named(&stage, "Degraded", "True", &[image]).await?;
    serves_as_before(&stage, &pods).await?;
    stage.comes_up(json!({"replicas": 1})).await?;
    serves_as_before(&stage, &pods).await?;
    stage.strike().await
}

#[tokio::test]
async fn an_invalid_secret_set_is_named_and_heals() -> Result<()> {
    let stage = Stage::set("invalid-set", 30103).await?;
    stage.comes_up(json!({"replicas": 1})).await?;
    let pods = stage.ready_pods().await?;
    let good = secret_value(&stage, "shop-secret-set", "document.json").await?;

    let mut document: serde_json::Value = serde_json::from_str(&good)?;
    document["generation"] = json!(2);
    document["keys"]["jwt"]["current"]["value"] = json!("short");
    write_document(&stage, &document.to_string()).await?;
    let words = ["jwt", "write a valid document"];
    named(&stage, "Degraded", "True", &words).await?;
    serves_as_before(&stage, &pods).await?;

    write_document(&stage, &good).await?;
    stage.condition("Degraded", "False", READY).await?;
    serves_as_before(&stage, &pods).await?;
    stage.strike().await
}

async fn write_document(stage: &Stage, document: &str) -> Result<()> {
    let secrets: Api<Secret> = stage.api();
    let patch = json!({"stringData": {"document.json": document}});
    secrets
        .patch(
            "shop-secret-set",
            &PatchParams::default(),
            &Patch::Merge(&patch),
        )
        .await?;
    Ok(())
}

async fn secret_value(stage: &Stage, name: &str, key: &str) -> Result<String> {
    let secrets: Api<Secret> = stage.api();
    let data = secrets.get(name).await?.data.unwrap_or_default();
    let ByteString(bytes) = data[key].clone();
    Ok(String::from_utf8(bytes)?)
}

// postgres://user:password@host/name
fn with_password(url: &str, password: &str) -> String {
    let (start, rest) = url.split_once('@').unwrap();
    let (user, _) = start.rsplit_once(':').unwrap();
    format!("{user}:{password}@{rest}")
}
