//! Memory, latency and writes of an operator that looks after many ErpGo objects.
//!
//! It leads under a lease, as its chart has it. The renewals of that lease are counted by themselves: they
//! are no writes of what it looks after.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use erpgo_crds::ErpGo;
use erpgo_test_kit::apiserver::AuditEvent;
use erpgo_test_kit::verdicts::{Goal, Verdicts};
use erpgo_tests::operator::{Operator, Release};
use erpgo_tests::shop::Shop;
use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::{Value, json};

use crate::{IDLE_MIB, end, number, rss_mib};

const CHANGES: usize = 200;
const LIMIT: Duration = Duration::from_secs(300);

/// All figures, each with its verdict.
pub(crate) async fn measure(verdicts: &mut Verdicts) -> Result<()> {
    let count = number("BENCH_ERPGOS", 500)?;
    let rest = Duration::from_secs(number("BENCH_REST_SECONDS", 600)? as u64);
    let shop = Shop::prepare("bench").await?;
    let release = Release {
        leader_election: true,
        ..Release::default()
    };
    let mut operator = Operator::install(shop.cluster(), shop.namespace(), release).await?;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let idle = rss_mib(&operator)?;
    let told = format!("operator: idle RSS {idle:.1} MiB");
    println!("{}", verdicts.judge(&told, idle, Goal::AtMost(IDLE_MIB)));

    let begun = Instant::now();
    create(&shop, count).await?;
    settle(&shop, count).await?;
    println!(
        "operator: {count} ErpGo created and settled in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    tokio::time::sleep(Duration::from_secs(10)).await;
    let many = rss_mib(&operator)?;
    let told = format!("operator: RSS with {count} ErpGo {many:.1} MiB");
    println!("{}", verdicts.judge(&told, many, Goal::AtMost(40.0)));

    let (told, p99) = changes(&shop, count).await?;
    println!("{}", verdicts.judge(&told, p99, Goal::Below(1.0)));
    let start = cold_start(&shop, &mut operator, count).await?;
    let told = format!("operator: cold start to all {count} changed ErpGo observed: {start:.1} s");
    println!("{}", verdicts.judge(&told, start, Goal::Below(20.0)));
    let (told, writes) = quiet(&shop, &operator, rest).await?;
    println!("{}", verdicts.judge(&told, writes, Goal::AtMost(0.0)));
    println!("operator: RSS at the end {:.1} MiB", rss_mib(&operator)?);
    Ok(())
}

/// Of the object with this number.
pub(crate) fn name(index: usize) -> String {
    format!("shop-{index:03}")
}

/// Makes so many `ErpGo` objects.
pub(crate) async fn create(shop: &Shop, count: usize) -> Result<()> {
    let api: Api<ErpGo> = shop.api();
    for index in 0..count {
        let object = json!({
            "apiVersion": "erpgo.io/v1alpha1", "kind": "ErpGo", "metadata": {"name": name(index)},
            "spec": {"image": "erpgo.local/erpgo:1", "database": {"secretRef": {"name": "shop-database"}}},
        });
        api.patch(
            &name(index),
            &PatchParams::apply("bench"),
            &Patch::Apply(&object),
        )
        .await?;
    }
    Ok(())
}

/// Reports what the controllers of Jobs and Deployments would, until so many are ready.
pub(crate) async fn settle(shop: &Shop, count: usize) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    loop {
        finish_jobs(shop).await?;
        roll_out(shop).await?;
        let ready = objects(shop)
            .await?
            .iter()
            .filter(|one| is_ready(one))
            .count();
        if ready == count {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "{ready} of {count} are ready after {LIMIT:?}"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn finish_jobs(shop: &Shop) -> Result<()> {
    let jobs: Api<Job> = shop.api();
    let now = "2026-01-01T00:00:00Z";
    let condition = |kind: &str| json!({"type": kind, "status": "True", "reason": "CompletionsReached", "lastTransitionTime": now, "lastProbeTime": now});
    let status = json!({"status": {"startTime": now, "completionTime": now, "succeeded": 1,
        "conditions": [condition("SuccessCriteriaMet"), condition("Complete")]}});
    for job in jobs.list(&ListParams::default()).await? {
        if job
            .status
            .as_ref()
            .is_none_or(|status| status.succeeded.is_none())
        {
            jobs.patch_status(
                &job.name_any(),
                &PatchParams::default(),
                &Patch::Merge(&status),
            )
            .await?;
        }
    }
    Ok(())
}

async fn roll_out(shop: &Shop) -> Result<()> {
    let api: Api<Deployment> = shop.api();
    for one in api.list(&ListParams::default()).await? {
        let seen = one
            .status
            .as_ref()
            .and_then(|status| status.observed_generation);
        if seen == one.metadata.generation {
            continue;
        }
        let name = one.name_any();
        let replicas = one.spec.and_then(|spec| spec.replicas).unwrap_or(1);
        let status = json!({"status": {"observedGeneration": one.metadata.generation, "replicas": replicas,
            "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas}});
        api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status))
            .await?;
    }
    Ok(())
}

async fn objects(shop: &Shop) -> Result<Vec<ErpGo>> {
    Ok(shop
        .api::<ErpGo>()
        .list(&ListParams::default())
        .await?
        .items)
}

/// Whether the operator has seen its newest generation.
pub(crate) fn is_observed(erpgo: &ErpGo) -> bool {
    let observed = erpgo
        .status
        .as_ref()
        .and_then(|status| status.observed_generation);
    observed == erpgo.metadata.generation
}

fn is_ready(erpgo: &ErpGo) -> bool {
    let conditions = erpgo.status.iter().flat_map(|status| &status.conditions);
    is_observed(erpgo)
        && conditions
            .into_iter()
            .any(|c| c.type_ == "Ready" && c.status == "True")
}

/// Changes a setting of the object with this number.
pub(crate) async fn change(shop: &Shop, index: usize, level: &str) -> Result<()> {
    let patch: Value = json!({"spec": {"settings": {"logLevel": level}}});
    let api: Api<ErpGo> = shop.api();
    api.patch(&name(index), &PatchParams::default(), &Patch::Merge(&patch))
        .await?;
    Ok(())
}

// What came of it, and the p99 in seconds.
async fn changes(shop: &Shop, count: usize) -> Result<(String, f64)> {
    let api: Api<ErpGo> = shop.api();
    let mut times = Vec::with_capacity(CHANGES);
    for turn in 0..CHANGES {
        let index = turn * 7 % count;
        let begun = Instant::now();
        change(shop, index, ["debug", "warn"][turn / count % 2]).await?;
        while !is_observed(&api.get(&name(index)).await?) {
            ensure!(begun.elapsed() < LIMIT, "a change was not observed");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let at =
        |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64();
    let told = format!(
        "operator: {CHANGES} spec changes to observedGeneration with {count} present: p50 {:.3} s, p99 {:.3} s",
        at(50),
        at(99)
    );
    Ok((told, at(99)))
}

// In seconds.
async fn cold_start(shop: &Shop, operator: &mut Operator, count: usize) -> Result<f64> {
    end(operator).await?;
    for index in 0..count {
        change(shop, index, "error").await?;
    }
    let changed = shop.api::<ErpGo>().list(&ListParams::default()).await?;
    let from = changed.metadata.resource_version.unwrap_or_default();
    let begun = Instant::now();
    operator.restart().await?;
    tokio::time::timeout(LIMIT, all_observed(shop, &from, count)).await??;
    Ok(begun.elapsed().as_secs_f64())
}

// By a watch: lists of all of them, again and again, would take much of what is measured for themselves.
async fn all_observed(shop: &Shop, from: &str, count: usize) -> Result<()> {
    let params = WatchParams::default().timeout(290);
    let events = shop.api::<ErpGo>().watch(&params, from).await?;
    let mut events = std::pin::pin!(events);
    let mut waiting: BTreeSet<String> = (0..count).map(name).collect();
    while !waiting.is_empty() {
        match events.next().await.transpose()? {
            Some(WatchEvent::Added(one) | WatchEvent::Modified(one)) if is_observed(&one) => {
                waiting.remove(&one.name_any());
            }
            Some(WatchEvent::Error(error)) => bail!("the watch broke: {}", error.message),
            Some(_) => {}
            None => bail!("{} of {count} are not observed", waiting.len()),
        }
    }
    Ok(())
}

// What came of it, and the writes but for renewals of the lease.
async fn quiet(shop: &Shop, operator: &Operator, rest: Duration) -> Result<(String, f64)> {
    settle(shop, objects(shop).await?.len()).await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let ((leases, others), cpu) = (writes(shop, operator), cpu_seconds(operator)?);
    tokio::time::sleep(rest).await;
    let (leases_after, others_after) = writes(shop, operator);
    let count = others_after - others;
    let told = format!(
        "operator: at rest for {} s {:.2} s of CPU, {} renewals of the leader lease, and other writes {count}",
        rest.as_secs(),
        cpu_seconds(operator)? - cpu,
        leases_after - leases
    );
    Ok((told, f64::from(u32::try_from(count)?)))
}

// Those of the lease, and all others.
fn writes(shop: &Shop, operator: &Operator) -> (usize, usize) {
    let all = shop.cluster().audit_of(&operator.user).into_iter();
    let (leases, others): (Vec<_>, Vec<_>) = all
        .filter(AuditEvent::is_write)
        .partition(|event| event.resource == "leases");
    (leases.len(), others.len())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn cpu_seconds(operator: &Operator) -> Result<f64> {
    let pid = operator.process.id().context("the operator has ended")?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').context("/proc/PID/stat")?.1;
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|text| text.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / 100.0)
}
