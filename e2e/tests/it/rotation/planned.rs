//! One planned rotation of every key, from the request to the last old version's end.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use erpgo_e2e::{Kids, Shown};

use super::changer::Changer;
use super::disturbances::Disturbance;
use super::logins::{BOTH, CURRENT, NEXT, Urls, urls};
use super::{KEYS, Play, accepted_by_every_pod, refused_by_every_pod};

impl Play {
    /// Rotates every key and ends each grace by its word, when nobody needs the old versions.
    pub(super) async fn rotate(
        &mut self,
        round: usize,
        disturbances: &[Disturbance],
    ) -> Result<()> {
        let witness = self.witness().await?;
        let before = self.stage.kids().await?;
        let heard = self.heard().await?;
        self.set_going(disturbances).await?;
        let old = self.urls(CURRENT).await?;
        let held = self.silence_one().await?;
        let begun = Instant::now();
        self.changer.prepare(&self.stage).await?;
        let (keys, reason) = (KEYS.join(","), format!("round {round}"));
        self.stage.rotate(&keys, &reason).await?;
        self.disturb(disturbances, &held).await?;
        self.is_amid(disturbances).await?;
        self.both_connect().await?;
        let waited = begun.elapsed();
        self.let_go(held).await?;
        self.stage.turned(&before, &KEYS).await?;
        let switched = begun.elapsed();
        self.remember().await?;
        self.arrive(disturbances).await?;
        // Pods that came meanwhile are asked as well.
        accepted_by_every_pod(&self.stage, &witness.access_token).await?;
        self.take_back(disturbances).await?;
        self.end_graces(&before).await?;
        refused_by_every_pod(&self.stage, Shown::Access(&witness.access_token)).await?;
        refused_by_every_pod(&self.stage, Shown::Refresh(&witness.refresh_token)).await?;
        self.old_passwords_go(&before, &old).await?;
        // An Event that the operator had yet to write when it died is lost.
        if !disturbances.contains(&Disturbance::OperatorDies) {
            self.is_told(&heard, &reason, &before).await?;
        }
        println!(
            "{}: round {round}: every pod uses the new keys after {switched:?}, of which it was held {waited:?}, every old one is refused after {:?}",
            self.stage.namespace,
            begun.elapsed()
        );
        Ok(())
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

    /// Each sidecar has at most so many MiB in memory after all that.
    pub(super) async fn sidecars_are_small(&self, mib: u64) -> Result<()> {
        for member in self.members().await? {
            let (resident, most) = member.sidecar()?.memory_kib()?;
            let told = format!(
                "the sidecar of {}: {resident} KiB, {most} at most",
                member.name
            );
            println!("{}: {told}", self.stage.namespace);
            ensure!(resident <= mib * 1024, "{told}");
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

    /// The URLs that stand in the document at `place`.
    async fn urls(&self, place: &str) -> Result<Urls> {
        urls(&self.backend.document(&self.stage).await?, place)
    }

    // While a pod has yet to try what the operator has prepared, no pod may be cut off from what it uses.
    async fn both_connect(&self) -> Result<()> {
        if matches!(self.changer, Changer::Person(_)) {
            return Ok(());
        }
        for place in [CURRENT, NEXT] {
            for (at, url) in self.urls(place).await? {
                let key = at.key();
                ensure!(at.connects(&url).await?, "the {place} {key} cannot connect");
            }
        }
        Ok(())
    }

    // Those of database and Redis end by themselves when no connection is left.
    async fn old_passwords_go(&self, before: &Kids, old: &Urls) -> Result<()> {
        for at in BOTH {
            let kid = before.get(at.key()).context("a key without a kid")?;
            self.stage.refused(at.key(), kid).await?;
        }
        let now = self.urls(CURRENT).await?;
        self.changer.take_away(&self.stage, old, &now).await?;
        for (at, url) in old {
            let key = at.key();
            ensure!(!at.connects(url).await?, "the old {key} password connects");
        }
        for (at, url) in &now {
            let key = at.key();
            ensure!(at.connects(url).await?, "the new {key} cannot connect");
        }
        Ok(())
    }
}
