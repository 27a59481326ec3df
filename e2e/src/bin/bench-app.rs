//! One pod of the API under an open-loop load of authenticated product reads.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use erpgo_e2e::{Load, LoadReport, Process, Session, Stage};
use erpgo_test_kit::verdicts::{Goal, Verdicts};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, ListParams};
use reqwest::Method;
use serde_json::json;

const RATE: u32 = 1000;
const LENGTH: Duration = Duration::from_secs(60);
const WARM_UP: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<()> {
    let stage = Stage::set_alone("bench", 30107).await?;
    let resources = json!({"cpuRequest": "100m", "memoryRequest": "64Mi"});
    let spec = json!({"replicas": 1, "resources": resources});
    stage.apply(&stage.erpgo(spec)).await?;
    stage
        .condition("Ready", "True", Duration::from_secs(180))
        .await?;
    let session = administrator(&stage).await?;
    let path = a_product(&stage, &session).await?;
    let process = Process::of_pod(&pod_uid(&stage).await?, "erpgo")?;
    let idle = process.memory_kib()?.0;
    load(&stage, &path, &session, WARM_UP).await?;
    let report = load(&stage, &path, &session, LENGTH).await?;
    let (after, most) = process.memory_kib()?;
    let mut verdicts = Verdicts::default();
    tell(&report, &mut verdicts)?;
    let memory = format!(
        "app: RSS {:.1} MiB before, {:.1} after, at most {:.1} MiB",
        mib(idle),
        mib(after),
        mib(most)
    );
    println!("{}", verdicts.judge(&memory, mib(most), Goal::AtMost(64.0)));
    stage.strike().await?;
    verdicts.end()
}

async fn load(stage: &Stage, path: &str, by: &Session, length: Duration) -> Result<LoadReport> {
    let http = stage.http()?;
    let load = Load::start(&http, path, Some(&by.access_token), RATE, length)?;
    load.wait().await
}

fn tell(report: &LoadReport, verdicts: &mut Verdicts) -> Result<()> {
    println!(
        "app: {} reads at {RATE}/s open loop on one pod: p50 {:.1} ms, generator lag {:.1} ms",
        report.sent,
        millis(report.quantile(0.5)),
        millis(report.generator_lag),
    );
    ensure!(report.sent > 0, "nothing was sent");
    let p99 = millis(report.quantile(0.99));
    let told = format!("app: p99 {p99:.1} ms");
    println!("{}", verdicts.judge(&told, p99, Goal::Below(25.0)));
    let failed = f64::from(u32::try_from(report.failed)?);
    let told = format!("app: {failed} errors");
    println!("{}", verdicts.judge(&told, failed, Goal::AtMost(0.0)));
    for example in &report.examples {
        println!("app: an error: {example}");
    }
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

async fn administrator(stage: &Stage) -> Result<Session> {
    let secrets: Api<Secret> = stage.api();
    let mut data = secrets.get("shop-admin").await?.data.unwrap_or_default();
    let mut text = |key: &str| {
        let bytes = data.remove(key).context("the administrator's Secret")?;
        anyhow::Ok(String::from_utf8(bytes.0)?)
    };
    let (email, password) = (text("email")?, text("password")?);
    stage.http()?.login(&email, &password).await
}

async fn a_product(stage: &Stage, session: &Session) -> Result<String> {
    let product = json!({"sku": "B-1", "name": "Bench", "price": "9.90", "currency": "EUR"});
    let (_, body) = stage
        .http()?
        .send(session, Method::POST, "/api/v1/products", Some(product))
        .await?;
    let id = body["id"].as_str().context("the product's id")?;
    Ok(format!("/api/v1/products/{id}"))
}

async fn pod_uid(stage: &Stage) -> Result<String> {
    let pods: Api<Pod> = stage.api();
    let params = ListParams::default().labels("app.kubernetes.io/component=api");
    let pod = pods.list(&params).await?.items.into_iter().next();
    pod.and_then(|pod| pod.metadata.uid)
        .context("the API's pod")
}
