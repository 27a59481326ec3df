//! Processes that end without notice while a rotation waits for them.

use anyhow::{Context as _, Result, ensure};
use erpgo_e2e::{Process, until};

use super::{Play, SOON, accepted_by_every_pod};

impl Play {
    /// Sidecar and API of one pod are held still until a rotation waits for that pod, and then killed:
    /// nobody uses the new key before the pod is back, and then everybody does.
    pub(super) async fn killed_processes_are_waited_for(&self) -> Result<()> {
        // Another key each time: the old version of the first stays for its grace.
        for (process, key) in [("sidecar-secrets", "jwt"), ("erpgo", "refresh")] {
            self.one_dies(process, key).await?;
        }
        Ok(())
    }

    async fn one_dies(&self, name: &str, key: &str) -> Result<()> {
        let witness = self.witness().await?;
        let (before, restarts) = (self.stage.kids().await?, self.stage.restarts().await?);
        let pods = self.stage.pods().await?;
        let pod = &pods.first().context("no pod")?.metadata;
        let uid = pod.uid.as_deref().context("a pod without a uid")?;
        let process = Process::of_pod(uid, name)?;
        process.freeze()?;
        self.stage.rotate(key, &format!("{name} dies")).await?;
        self.is_waited_for(pod.name.as_deref().unwrap_or_default())
            .await?;
        ensure!(
            self.stage.kids().await? == before,
            "the key turned without a pod"
        );
        process.kill()?;
        self.stage.turned(&before, &[key]).await?;
        self.stage.condition("Ready", "True", SOON).await?;
        let now = self.stage.restarts().await?;
        ensure!(now == restarts + 1, "{now} restarts after {restarts}");
        println!(
            "{}: the rotation went on after the death of {name}",
            self.stage.namespace
        );
        accepted_by_every_pod(&self.stage, &witness.access_token).await?;
        self.crowd.renew().await
    }

    async fn is_waited_for(&self, pod: &str) -> Result<()> {
        until("the rotation to wait for the pod", SOON, || async {
            let active = self.stage.rotation().await?.active;
            let missing = active.map(|active| active.missing).unwrap_or_default();
            Ok(if missing.iter().any(|missing| missing.pod == pod) {
                Ok(())
            } else {
                Err(format!("{missing:?}"))
            })
        })
        .await
    }
}
