//! Things break; what serves goes on serving, each condition names the cause and the way out within
//! half a minute, and what broke heals by itself when the cause is gone.

mod crashes;
mod dependencies;
mod inputs;
mod refusals;

use std::time::Duration;

use anyhow::{Result, ensure};
use erpgo_e2e::{Stage, until};

/// How long a fault may go unnamed.
pub(crate) const NAMED: Duration = Duration::from_secs(30);

/// Waits until `type_` is `status` and its message has all of `words`.
pub(crate) async fn named(stage: &Stage, type_: &str, status: &str, words: &[&str]) -> Result<()> {
    named_within(NAMED, stage, type_, status, words).await
}

/// The same, of what takes longer to show.
pub(crate) async fn named_within(
    limit: Duration,
    stage: &Stage,
    type_: &str,
    status: &str,
    words: &[&str],
) -> Result<()> {
    let what = format!("{type_}={status} with {words:?}");
    let said = until(&what, limit, || async {
        let now = stage.condition_now(type_, status).await?;
        Ok(
            now.and_then(|text| match words.iter().all(|word| text.contains(word)) {
                true => Ok(text),
                false => Err(text),
            }),
        )
    })
    .await?;
    println!("{}: {said}", stage.namespace);
    Ok(())
}

/// What serves goes on: the same pods, and the API answers.
pub(crate) async fn serves_as_before(stage: &Stage, pods: &[String]) -> Result<()> {
    let now = stage.ready_pods().await?;
    ensure!(now == pods, "the pods changed from {pods:?} to {now:?}");
    let status = stage.http()?.get("/health/ready").await?.status;
    ensure!(status == 200, "readiness answered {status}");
    Ok(())
}

/// Every container of the API is the one that was started first.
pub(crate) fn no_container_restarted(stage: &Stage) -> Result<()> {
    let restarts = stage.node.kubectl(&[
        "-n",
        &stage.namespace,
        "get",
        "pods",
        "-l",
        "app.kubernetes.io/component=api",
        "-o",
        "jsonpath={.items[*].status.containerStatuses[*].restartCount}",
    ])?;
    ensure!(
        restarts.split_whitespace().all(|n| n == "0"),
        "no container restarted: {restarts}"
    );
    Ok(())
}
