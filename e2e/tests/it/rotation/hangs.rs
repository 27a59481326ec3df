//! A pod that hangs after Promote, where nothing is rolled back: a person deletes it.

use anyhow::{Result, ensure};

use super::Play;
use super::deaths::API;

/// Nobody else's key at this time: it has no former version.
const KEY: &str = "pepper";

impl Play {
    /// The status names the pod, and the rotation goes on when the guide's reader has deleted it.
    pub(super) async fn a_pod_that_hangs_is_deleted(&mut self) -> Result<()> {
        let before = self.stage.kids().await?;
        let [other, pod] = self.members().await?;
        let silence = other.silence()?;
        self.stage.rotate(KEY, "a pod hangs").await?;
        let _silence = self.is_held_at_promote(&other, silence, &pod).await?;
        pod.process(API)?.freeze()?;
        let told = self.follow("missing", &[]).await?;
        ensure!(
            told.contains(&pod.name) && !told.contains(&other.name),
            "{} is missing: {told}",
            pod.name
        );
        let (node, namespace) = (&self.stage.node, &self.stage.namespace);
        self.since.keep(node, namespace, &pod.name)?;
        let named = [("POD", pod.name.as_str())];
        self.follow("delete-pod", &named).await?;
        self.stage.turned(&before, &[KEY]).await?;
        self.two_are_ready().await?;
        println!(
            "{}: {KEY} turned when the pod that hung was deleted",
            self.stage.namespace
        );
        self.remember().await
    }
}
