//! A rotation that is not over before what shall happen in it has happened.
//!
//! Owns the pod that acknowledges nothing until then, and the reading that the rotation is under way. It is
//! let go long before the operator would roll back what not every pod has accepted.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use erpgo_e2e::{Silence, until};
use k8s_openapi::api::core::v1::Pod;

use super::deaths::Member;
use super::{Play, SOON};

/// The pod that a rotation waits for.
pub(super) struct Held {
    pub(super) pod: Member,
    silence: Silence,
}

impl Play {
    /// From now on one of the ready pods acknowledges nothing.
    pub(super) async fn silence_one(&self) -> Result<Held> {
        let ready = self.stage.ready_pods().await?;
        let members = self.all_members().await?.into_iter();
        let mut members = members.filter(|member| ready.contains(&member.name));
        let pod = members.next().context("no ready pod")?;
        let silence = pod.silence()?;
        // All the while the pod has clients, none of whom may be lost.
        silence.spares_clients(self.address(&pod).await?).await?;
        Ok(Held { pod, silence })
    }

    async fn address(&self, pod: &Member) -> Result<IpAddr> {
        let mut pods = self.stage.pods().await?.into_iter();
        let found = pods.find(|found| found.metadata.name.as_ref() == Some(&pod.name));
        let address = found.and_then(|found| found.status?.pod_ip);
        Ok(address.context("a pod without an address")?.parse()?)
    }

    /// Waits until a rotation is under way in which at least so many pods count.
    pub(super) async fn is_under_way(&self, pods: i32) -> Result<()> {
        until(&format!("a rotation of {pods} pods"), SOON, || async {
            let rotation = self.stage.rotation().await?;
            let Some(active) = rotation.active else {
                return Ok(Err(format!(
                    "none is under way, the last: {:?}",
                    rotation.last
                )));
            };
            let told = format!(
                "{}: {} of {} pods, without {:?}",
                active.step, active.acknowledged, active.total, active.missing
            );
            Ok(if active.total >= pods {
                Ok(())
            } else {
                Err(told)
            })
        })
        .await
    }

    /// The rotation goes on.
    pub(super) async fn let_go(&self, Held { pod, silence }: Held) -> Result<()> {
        let ended = silence.end();
        let stays = |other: &Pod| {
            let metadata = &other.metadata;
            metadata.name.as_ref() == Some(&pod.name) && metadata.deletion_timestamp.is_none()
        };
        // A rollout may have taken the pod, and its silence with it.
        if self.stage.pods().await?.iter().any(stays) {
            ended
        } else {
            Ok(())
        }
    }
}
