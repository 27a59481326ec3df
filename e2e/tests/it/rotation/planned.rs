//! One planned rotation of every key, from the request to the last old version's end.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use erpgo_e2e::{Credentials, Kids, Shown, until};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams};

use super::{KEYS, Play, SOON, accepted_by_every_pod, refused_by_every_pod};

/// What happens to the parts in mid-rotation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Disturbance {
    /// A pod is deleted and replaced.
    PodGoes,
    /// A third pod comes, and goes after the rotation.
    PodComes,
    /// The operator is killed without notice.
    OperatorDies,
}

impl Play {
    /// Rotates every key and ends each grace by its word, when nobody needs the old versions.
    pub(super) async fn rotate(
        &mut self,
        round: usize,
        disturbances: &[Disturbance],
    ) -> Result<()> {
        let begun = Instant::now();
        let witness = self.witness().await?;
        let before = self.stage.kids().await?;
        let heard = self.heard().await?;
        let old = self.turns.turn(&self.stage).await?;
        let (keys, reason) = (KEYS.join(","), format!("round {round}"));
        self.stage.rotate(&keys, &reason).await?;
        for disturbance in disturbances {
            self.disturb(*disturbance, &format!("{keys}={reason}"))
                .await?;
        }
        self.stage.turned(&before, &KEYS).await?;
        let switched = begun.elapsed();
        self.remember().await?;
        accepted_by_every_pod(&self.stage, &witness.access_token).await?;
        self.settle(disturbances).await?;
        self.end_graces(&before).await?;
        refused_by_every_pod(&self.stage, Shown::Access(&witness.access_token)).await?;
        refused_by_every_pod(&self.stage, Shown::Refresh(&witness.refresh_token)).await?;
        self.old_passwords_go(&before, &old).await?;
        // An Event that the operator had yet to write when it died is lost.
        if !disturbances.contains(&Disturbance::OperatorDies) {
            self.is_told(&heard, &reason, &before).await?;
        }
        println!(
            "{}: round {round}: every pod uses the new keys after {switched:?}, every old one is refused after {:?}",
            self.stage.namespace,
            begun.elapsed()
        );
        Ok(())
    }

    async fn disturb(&self, disturbance: Disturbance, asked: &str) -> Result<()> {
        match disturbance {
            Disturbance::PodComes => self.scale(3).await,
            Disturbance::PodGoes => {
                self.is_under_way(asked).await?;
                let pods: Api<Pod> = self.stage.api();
                let ready = self.stage.ready_pods().await?;
                let first = ready.first().context("no ready pod")?;
                pods.delete(first, &DeleteParams::default()).await?;
                Ok(())
            }
            Disturbance::OperatorDies => {
                self.is_under_way(asked).await?;
                self.stage.node.operator()?.kill()
            }
        }
    }

    async fn is_under_way(&self, asked: &str) -> Result<()> {
        until("a rotation under way", SOON, || async {
            let rotation = self.stage.rotation().await?;
            // One that is over already was under way.
            let begun =
                rotation.active.is_some() || rotation.handled_rotate.as_deref() == Some(asked);
            Ok(if begun {
                Ok(())
            } else {
                Err("none".to_owned())
            })
        })
        .await
    }

    async fn settle(&self, disturbances: &[Disturbance]) -> Result<()> {
        if disturbances.contains(&Disturbance::PodComes) {
            self.stage.condition("Ready", "True", SOON).await?;
            self.scale(2).await?;
        }
        self.two_are_ready().await
    }

    /// Waits until there are two pods and both get requests.
    pub(super) async fn two_are_ready(&self) -> Result<()> {
        until("two ready pods", SOON, || async {
            let pods = self.stage.pods().await?.len();
            let ready = self.stage.ready_pods().await?.len();
            let told = format!("{ready} ready of {pods}");
            Ok(if (pods, ready) == (2, 2) {
                Ok(())
            } else {
                Err(told)
            })
        })
        .await
    }

    // The graces of jwt and refresh are hours and days. A revocation of the previous version is the
    // word that ends them, here given when no session needs it any more.
    async fn end_graces(&self, before: &Kids) -> Result<()> {
        self.crowd.renew().await?;
        self.crowd.sign_in().await?;
        self.witness().await?;
        self.no_hash_needs(before.get("pepper").context("no pepper")?)
            .await?;
        for key in ["jwt", "refresh", "pepper"] {
            let kid = before.get(key).context("a key without a kid")?;
            self.stage.revoke(key, kid).await?;
            self.stage.refused(key, kid).await?;
        }
        Ok(())
    }

    pub(super) async fn no_hash_needs(&self, pepper: &str) -> Result<()> {
        let mut database = self.stage.database().await?;
        let query = sqlx::query_scalar("SELECT count(*) FROM users WHERE pepper_kid = $1");
        let count: i64 = query.bind(pepper).fetch_one(&mut database).await?;
        ensure!(count == 0, "{count} hashes still need {pepper}");
        Ok(())
    }

    // Those of database and Redis end by themselves when no connection is left.
    async fn old_passwords_go(&self, before: &Kids, old: &Credentials) -> Result<()> {
        for key in ["database", "redis"] {
            let kid = before.get(key).context("a key without a kid")?;
            self.stage.refused(key, kid).await?;
        }
        ensure!(
            old.database_connects().await?,
            "the old role still had its password"
        );
        ensure!(
            old.redis_connects().await?,
            "the old user still had its password"
        );
        old.clear().await?;
        ensure!(
            !old.database_connects().await?,
            "the old database password connects"
        );
        ensure!(
            !old.redis_connects().await?,
            "the old Redis password connects"
        );
        ensure!(
            self.turns.present().database_connects().await?,
            "the new one connects"
        );
        Ok(())
    }
}
