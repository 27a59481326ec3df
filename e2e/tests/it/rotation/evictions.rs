//! A pod that the kubelet evicts in mid-rotation.
//!
//! Owns what follows for the rotation, and one reason: the pod keeps more on the node's disk than its
//! namespace lets it. The kubelet asks no budget and gives such a pod three seconds, in which the Service
//! still sends it requests: they may be lost, so no load runs here. [`super::shortages`] owns another reason.
//! A drain lets a pod end as a deletion does, which [`super::planned`] plays.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use erpgo_e2e::{Ballast, Kids, Session, Shown, Stage, until};
use k8s_openapi::api::core::v1::{LimitRange, Pod};
use kube::api::{Api, PostParams};
use serde_json::json;

use super::deaths::Member;
use super::{Play, SOON, accepted_by_every_pod, refused_by_every_pod};

const CONTAINER: &str = "app";
/// More than the five logs of 10 MiB that the kubelet keeps of a container.
const SHARE: &str = "96Mi";
const BEYOND: u64 = 128 << 20;

/// Lets each container of pods that come later keep so much on the node's disk.
pub(super) async fn limit_disk(stage: &Stage) -> Result<()> {
    let limits: Api<LimitRange> = stage.api();
    let object = json!({"metadata": {"name": "disk"}, "spec": {"limits": [{
        "type": "Container",
        "default": {"ephemeral-storage": SHARE},
        "defaultRequest": {"ephemeral-storage": "1Mi"},
    }]}});
    let object = serde_json::from_value(object)?;
    limits.create(&PostParams::default(), &object).await?;
    Ok(())
}

impl Play {
    /// A rotation waits for a pod, which is evicted: it goes on with the pod that takes its place, and
    /// what is left of the other one counts no more, not even for the proof of a removal.
    pub(super) async fn an_evicted_pod_is_not_waited_for(&mut self) -> Result<()> {
        let [pod, _] = self.members().await?;
        let witness = self.witness().await?;
        let before = self.stage.kids().await?;
        // Nobody hears it again.
        let _silence = pod.silence()?;
        self.stage.rotate("jwt", "a pod is evicted").await?;
        self.waits_for("Stage", &pod).await?;
        ensure!(
            self.stage.kids().await? == before,
            "the key turned without a pod"
        );
        let begun = Instant::now();
        let said = self.exceeds_its_share(&pod).await?;
        let evicted = begun.elapsed();
        self.stage.turned(&before, &["jwt"]).await?;
        self.two_are_ready().await?;
        println!(
            "{}: evicted after {evicted:?} ({}), jwt turned and another pod is there after {:?}",
            self.stage.namespace,
            said.trim(),
            begun.elapsed()
        );
        self.the_old_jwt_goes(&before, &witness).await
    }

    /// No session is lost, and what the old key signed is accepted until it is revoked, by no pod then.
    pub(super) async fn the_old_jwt_goes(
        &mut self,
        before: &Kids,
        witness: &Session,
    ) -> Result<()> {
        self.remember().await?;
        accepted_by_every_pod(&self.stage, &witness.access_token).await?;
        self.crowd.renew().await?;
        let kid = before.get("jwt").context("a key without a kid")?;
        self.stage.revoke("jwt", kid).await?;
        self.stage.refused("jwt", kid).await?;
        refused_by_every_pod(&self.stage, Shown::Access(&witness.access_token)).await
    }

    /// Fills the pod's share of the disk until the kubelet has ended it; returns what that says.
    async fn exceeds_its_share(&mut self, member: &Member) -> Result<String> {
        let pods: Api<Pod> = self.stage.api();
        let pod = pods.get(&member.name).await?;
        let ballast = Ballast::lay(&self.stage.node, &pod, CONTAINER, BEYOND)?;
        let said = self.is_evicted(&member.name).await?;
        drop(ballast);
        ensure!(said.contains("ephemeral storage limit"), "{said}");
        Ok(said)
    }

    /// Waits until the kubelet has ended the pod of this name; returns what that says.
    pub(super) async fn is_evicted(&mut self, name: &str) -> Result<String> {
        let pods: Api<Pod> = self.stage.api();
        let said = until("the eviction of the pod", SOON, || async {
            let status = pods.get(name).await?.status.unwrap_or_default();
            let end = (status.phase.as_deref(), status.reason.as_deref());
            Ok(if end == (Some("Failed"), Some("Evicted")) {
                Ok(status.message.unwrap_or_default())
            } else {
                Err(format!("{end:?}"))
            })
        })
        .await?;
        let (node, namespace) = (&self.stage.node, &self.stage.namespace);
        self.since.keep(node, namespace, name)?;
        Ok(said)
    }
}
