//! Somebody with a cluster of their own tries the demo there, as the README tells it, and takes it all away again.

use anyhow::{Result, ensure};
use erpgo_e2e::{Advice, Demo, OPERATOR, OPERATOR_NAMESPACE, Stage};
use erpgo_test_kit::port;

/// The node with its operator is the cluster, and has the images.
#[tokio::test]
async fn the_demo_runs_on_a_cluster_of_ones_own_and_leaves_nothing() -> Result<()> {
    let stage = Stage::set_bare("own-cluster", port::address().port()).await?;
    let demo = Demo::open(&stage)?;
    let operator = operator(&stage)?;
    let (printed, told) = demo.run().await?;
    println!("{told}");
    ensure!(
        told.contains("a login and a page of products work"),
        "{told}"
    );
    // One that a demo installed is brought to what it is already.
    ensure!(
        told.contains("operator: CRD, RBAC and Deployment"),
        "{told}"
    );
    is_still(&stage, &operator)?;

    let advice = Advice::of(&printed)?;
    can_be_tried(&demo, &advice.to_try).await?;
    is_removed(&stage, &demo, advice.to_remove).await?;
    is_still(&stage, &operator)?;
    stage.strike().await
}

async fn can_be_tried(demo: &Demo, lines: &str) -> Result<()> {
    let told = demo.paste(lines).await?;
    println!("{told}");
    let is_there = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next(), words.next()) == (Some("demo"), Some("True"))
    };
    ensure!(told.lines().any(is_there), "no ErpGo is Ready: {told}");
    ensure!(told.contains("HTTP/1.1 201"), "nothing is created: {told}");
    let list = told.rsplit_once("{\"products\":");
    let (_, list) = list.ok_or_else(|| anyhow::anyhow!("no list: {told}"))?;
    // One of the demo itself, and the one that was just created.
    let products = list.matches("\"sku\":\"CHAIR-").count();
    ensure!(products == 2, "{products} products: {list}");
    Ok(())
}

async fn is_removed(stage: &Stage, demo: &Demo, lines: Vec<String>) -> Result<()> {
    // The other journeys need it.
    let (of_operator, lines): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| line.contains(" -k "));
    ensure!(of_operator.len() == 1, "{of_operator:?}");
    ensure!(lines.len() == 3, "{lines:?}");
    for line in &lines {
        println!("{line}");
        demo.paste(line).await?;
    }
    let gone = ["get", "namespace", &stage.namespace, "--ignore-not-found"];
    let left = stage.node.kubectl(&gone)?;
    ensure!(left.is_empty(), "{left}");
    ensure!(!demo.keeps_the_way(), "the checkout keeps the way to it");
    Ok(())
}

/// The generation of the operator's Deployment, which grows with each change of its spec.
fn operator(stage: &Stage) -> Result<String> {
    let generation = "jsonpath={.metadata.uid} {.metadata.generation}";
    let of = ["-n", OPERATOR_NAMESPACE, "get", "deployment", OPERATOR];
    stage.node.kubectl(&[&of[..], &["-o", generation]].concat())
}

fn is_still(stage: &Stage, before: &str) -> Result<()> {
    let now = operator(stage)?;
    ensure!(now == before, "the operator was {before} and is {now}");
    Ok(())
}
