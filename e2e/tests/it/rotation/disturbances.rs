//! What happens to pods and operator in mid-rotation.
//!
//! Owns each disturbance from its beginning, before the rotation or after it has begun, to the moment at
//! which two pods serve again. The rotation is [`super::held`] until what comes counts in it. All of them
//! end before the graces do, so that pods which came meet keys of before and of now.

use anyhow::{Context as _, Result, ensure};
use erpgo_e2e::until;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams};

use super::held::Held;
use super::{Play, Pods, SOON};

/// Something that must do no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disturbance {
    /// A pod is deleted and replaced.
    PodGoes,
    /// A third pod comes by `spec.replicas`, and goes after the rotation.
    PodComes,
    /// The autoscaler makes a third pod, and takes one away after the rotation.
    AutoscalerScalesOut,
    /// Pods of a second release, which brings a migration, take the places of all others.
    RollingUpdate,
    /// The operator is killed without notice.
    OperatorDies,
}

impl Play {
    /// Begins what takes seconds to begin, so that its pods come and go while the keys turn.
    pub(super) async fn set_going(&mut self, disturbances: &[Disturbance]) -> Result<()> {
        for disturbance in disturbances {
            match disturbance {
                Disturbance::AutoscalerScalesOut => {
                    self.scale(Pods::Autoscaled(3)).await?;
                    self.autoscaler_wants(3).await?;
                }
                Disturbance::RollingUpdate => {
                    self.no_restart_is_lost().await?;
                    self.upgrade().await?;
                    self.is_rolling().await?;
                }
                Disturbance::PodGoes | Disturbance::PodComes | Disturbance::OperatorDies => {}
            }
        }
        Ok(())
    }

    /// Does what takes hold at once, but not to the pod that holds the rotation.
    pub(super) async fn disturb(
        &mut self,
        disturbances: &[Disturbance],
        held: &Held,
    ) -> Result<()> {
        self.is_under_way(2).await?;
        for disturbance in disturbances {
            match disturbance {
                Disturbance::PodComes => self.scale(Pods::Fixed(3)).await?,
                Disturbance::PodGoes => {
                    self.no_restart_is_lost().await?;
                    self.a_pod_goes(held).await?;
                }
                Disturbance::OperatorDies => self.stage.node.operator()?.kill()?,
                Disturbance::AutoscalerScalesOut | Disturbance::RollingUpdate => {}
            }
        }
        Ok(())
    }

    /// Waits until what comes counts in the rotation; what goes or died did so while it was under way.
    pub(super) async fn is_amid(&self, disturbances: &[Disturbance]) -> Result<()> {
        for disturbance in disturbances {
            let pods = match disturbance {
                Disturbance::PodComes | Disturbance::AutoscalerScalesOut => 3,
                Disturbance::PodGoes | Disturbance::OperatorDies => 2,
                // It was under way before the rotation, and may have taken the pod that held that.
                Disturbance::RollingUpdate => continue,
            };
            self.is_under_way(pods).await?;
        }
        Ok(())
    }

    /// Waits until what came serves.
    pub(super) async fn arrive(&self, disturbances: &[Disturbance]) -> Result<()> {
        for disturbance in disturbances {
            match disturbance {
                Disturbance::PodComes | Disturbance::AutoscalerScalesOut => {
                    self.are_ready(3).await?;
                }
                Disturbance::RollingUpdate => self.is_rolled_out().await?,
                Disturbance::PodGoes | Disturbance::OperatorDies => {}
            }
        }
        Ok(())
    }

    /// Takes back what was more than two pods.
    pub(super) async fn take_back(&mut self, disturbances: &[Disturbance]) -> Result<()> {
        for disturbance in disturbances {
            match disturbance {
                Disturbance::PodComes => {
                    self.no_restart_is_lost().await?;
                    self.scale(Pods::Fixed(2)).await?;
                }
                Disturbance::AutoscalerScalesOut => {
                    self.no_restart_is_lost().await?;
                    self.scale(Pods::Autoscaled(2)).await?;
                }
                Disturbance::PodGoes | Disturbance::RollingUpdate | Disturbance::OperatorDies => {}
            }
        }
        self.two_are_ready().await
    }

    /// Waits until there are two pods and both get requests.
    pub(super) async fn two_are_ready(&self) -> Result<()> {
        self.are_ready(2).await
    }

    async fn are_ready(&self, count: usize) -> Result<()> {
        until(&format!("{count} ready pods"), SOON, || async {
            let pods = self.stage.pods().await?.len();
            let ready = self.stage.ready_pods().await?.len();
            let told = format!("{ready} ready of {pods}");
            Ok(if (pods, ready) == (count, count) {
                Ok(())
            } else {
                Err(told)
            })
        })
        .await
    }

    // A pod's restarts are counted no more when it has gone.
    async fn no_restart_is_lost(&self) -> Result<()> {
        let restarts = self.stage.restarts().await?;
        let ends = self.stage.ends().await?;
        ensure!(restarts == 0, "{restarts} restarts:\n{ends}");
        Ok(())
    }

    async fn a_pod_goes(&self, held: &Held) -> Result<()> {
        let pods: Api<Pod> = self.stage.api();
        let members = self.all_members().await?;
        let other = members.iter().find(|member| member.name != held.pod.name);
        let other = other.context("there is no other pod")?;
        pods.delete(&other.name, &DeleteParams::default()).await?;
        Ok(())
    }

    /// Waits until the autoscaler has set the count.
    async fn autoscaler_wants(&self, count: i32) -> Result<()> {
        let autoscalers: Api<HorizontalPodAutoscaler> = self.stage.api();
        until("the autoscaler to scale out", SOON, || async {
            let status = autoscalers.get("shop").await?.status;
            let wants = status.map_or(0, |status| status.desired_replicas);
            Ok(if wants == count {
                Ok(())
            } else {
                Err(format!("it wants {wants}"))
            })
        })
        .await
    }

    /// Waits until the migration is done and the first pod of the release that is wished for is there.
    async fn is_rolling(&self) -> Result<()> {
        until("a pod of the other release", SOON, || async {
            let images = self.images().await?;
            let begun = images.iter().any(|image| image == self.wish.image);
            Ok(if begun {
                Ok(())
            } else {
                Err(format!("{images:?}"))
            })
        })
        .await
    }

    async fn is_rolled_out(&self) -> Result<()> {
        self.stage.condition("Ready", "True", SOON).await?;
        self.two_are_ready().await?;
        let images = self.images().await?;
        let all = images.iter().all(|image| image == self.wish.image);
        ensure!(all, "after the rollout there run {images:?}");
        Ok(())
    }

    async fn images(&self) -> Result<Vec<String>> {
        let pods = self.stage.pods().await?.into_iter();
        let image = |pod: Pod| pod.spec?.containers.into_iter().next()?.image;
        Ok(pods.filter_map(image).collect())
    }
}
