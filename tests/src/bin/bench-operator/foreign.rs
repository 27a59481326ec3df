//! What an operator that serves every namespace takes beside tens of thousands of objects of others.
//!
//! Owns those objects, of kinds that the operator watches and of kinds that it must not. They live in a cluster
//! of this run's own, so that no test meets them.

use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use erpgo_crds::ErpGo;
use erpgo_test_kit::apiserver::{self, TestCluster};
use erpgo_test_kit::verdicts::{Goal, Verdicts};
use erpgo_tests::operator::{Operator, Release};
use erpgo_tests::shop::Shop;
use erpgo_tests::{cluster, wait};
use futures::{StreamExt as _, stream};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use serde_json::{Value, json};

use crate::{end, many, memory_mib, number, rss_mib};

/// `ErpGo` objects beside them.
/// So much more, in MiB, is no more than two looks at the same process differ by.
const MORE: Goal = Goal::AtMost(1.0);
const SHOPS: usize = 3;
/// With fewer the figure would say nothing.
const LEAST: usize = 10_000;
/// The longest that is spent on making them; what is there by then is measured.
const TIME: Duration = Duration::from_secs(55);
const TELL_EVERY: Duration = Duration::from_secs(2);
const AT_ONCE: usize = 32;
/// Until memory is what it stays.
const CALM: Duration = Duration::from_secs(15);

/// The memory before and beside them, and of an operator that starts among them.
pub(crate) async fn measure(verdicts: &mut Verdicts) -> Result<()> {
    let count = number("BENCH_FOREIGN", 20_000)?;
    let private = apiserver::private().await;
    cluster::define(&private).await?;
    let shop = Shop::prepare_in(TestCluster::clone(&private), "bench").await?;
    let others = private.namespace("others").await;
    let release = Release {
        everywhere: true,
        leader_election: true,
        ..Release::default()
    };
    let mut operator = Operator::install(&private, shop.namespace(), release).await?;
    many::create(&shop, SHOPS).await?;
    many::settle(&shop, SHOPS).await?;
    tokio::time::sleep(CALM).await;
    let before = rss_mib(&operator)?;
    println!("operator: RSS with {SHOPS} ErpGo and nothing of others {before:.1} MiB");

    let made = create(&private, others.name(), count).await?;
    tokio::time::sleep(CALM).await;
    let beside = rss_mib(&operator)?;
    let told = format!(
        "operator: RSS with {SHOPS} ErpGo beside {made} objects of others {beside:.1} MiB ({:+.1})",
        beside - before
    );
    println!("{}", verdicts.judge(&told, beside - before, MORE));

    end(&mut operator).await?;
    operator.restart().await?;
    takes_up_a_change(&shop).await?;
    tokio::time::sleep(CALM).await;
    let (anew, peak) = (rss_mib(&operator)?, memory_mib(&operator, "VmHWM")?);
    let told =
        format!("operator: RSS when it was started beside them {anew:.1} MiB, at most {peak:.1}");
    println!("{}", verdicts.judge(&told, anew - before, MORE));
    Ok(())
}

// It leads then, and has listed what it watches.
async fn takes_up_a_change(shop: &Shop) -> Result<()> {
    many::change(shop, 0, "debug").await?;
    let api: Api<ErpGo> = shop.api();
    wait::until("a change to be observed", async || {
        let one = api.get(&many::name(0)).await?;
        Ok(many::is_observed(&one).then_some(()))
    })
    .await
}

/// Makes up to `count` objects within [`TIME`], and tells how many there are.
async fn create(cluster: &TestCluster, namespace: &str, count: usize) -> Result<usize> {
    let (client, begun) = (cluster.client(), Instant::now());
    let all = stream::iter(0..count).map(|index| create_one(client.clone(), namespace, index));
    let mut all = pin!(all.buffer_unordered(AT_ONCE));
    let mut tell = tokio::time::interval(TELL_EVERY);
    let mut made = 0;
    while begun.elapsed() < TIME {
        tokio::select! {
            one = all.next() => match one {
                Some(one) => one?,
                None => break,
            },
            _ = tell.tick() => {
                println!("foreign: {made} of {count} objects after {} s", begun.elapsed().as_secs());
                continue;
            }
        }
        made += 1;
    }
    println!(
        "foreign: {made} of {count} objects in {:.0} s",
        begun.elapsed().as_secs_f64()
    );
    ensure!(
        made >= LEAST.min(count),
        "no {LEAST} objects were made within {TIME:?}: the machine has other things to do"
    );
    Ok(made)
}

async fn create_one(client: Client, namespace: &str, index: usize) -> Result<()> {
    let (resource, mut object) = kind(index);
    object["apiVersion"] = json!(resource.api_version);
    object["kind"] = json!(resource.kind);
    // The label by which theirs are told from ours, and the one that both may bear alike.
    let labels = json!({"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": many::name(0)});
    object["metadata"] = json!({"name": format!("other-{index}"), "labels": labels});
    let object: DynamicObject = serde_json::from_value(object)?;
    let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &resource);
    api.create(&PostParams::default(), &object).await?;
    Ok(())
}

// Three that the operator watches, and two of which a cluster has many.
fn kind(index: usize) -> (ApiResource, Value) {
    let text = "x".repeat(1024);
    let container = json!({"name": "main", "image": "others.example.com/main:1"});
    match index % 5 {
        0 => (
            ApiResource::erase::<ConfigMap>(&()),
            json!({"data": {"text": text}}),
        ),
        1 => (
            ApiResource::erase::<Pod>(&()),
            json!({"spec": {"containers": [container]}}),
        ),
        2 => (
            ApiResource::erase::<Job>(&()),
            json!({"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}}),
        ),
        3 => (
            ApiResource::erase::<Secret>(&()),
            json!({"stringData": {"text": text}}),
        ),
        _ => (
            ApiResource::erase::<EndpointSlice>(&()),
            json!({"addressType": "IPv4", "endpoints": [{"addresses": ["192.0.2.1"]}], "ports": [{"port": 80}]}),
        ),
    }
}
