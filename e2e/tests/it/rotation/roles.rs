//! The operator turns the two database roles and the two Redis users by Jobs: nobody writes a password.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use erpgo_e2e::{Backend, Canaries, Crowd, Since, Stage};
use serde_json::{Value, json};

use super::logins::{At, BOTH, CURRENT, Logins, urls};
use super::{RATE, SOON, rounds};
use crate::first_run::{READY, admin};

struct Shop {
    stage: Stage,
    logins: Logins,
    crowd: Arc<Crowd>,
    canaries: Canaries,
    since: Since,
}

// The load has a thread of its own: this one waits for kubectl.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn two_roles_and_two_users_turn_by_jobs() -> Result<()> {
    let stage = Stage::set_alone("turn-roles", 30113).await?;
    let mut shop = Shop::open(stage).await?;
    let load = shop.crowd.work(RATE);
    for round in 1..=rounds(3, 2) {
        shop.turn(round).await?;
    }
    let report = load.stop().await?;
    println!("turn-roles: {}", report.told());
    report.is_clean()?;
    ensure!(shop.crowd.lost() == 0, "{} sessions", shop.crowd.lost());
    ensure!(shop.stage.restarts().await? == 0, "a container restarted");
    for at in BOTH {
        shop.a_stranger_knows_the_password(at).await?;
    }
    shop.close().await
}

impl Shop {
    async fn open(stage: Stage) -> Result<Self> {
        let since = Since::now(&stage)?;
        let logins = Logins::begin(&stage).await?;
        let mut spec = json!({
            "replicas": 2,
            "settings": {"loginLimits": {"attemptsPerAddress": 10_000}},
        });
        for (part, asked) in logins.spec() {
            spec[part] = asked;
        }
        stage.apply(&stage.erpgo(spec)).await?;
        stage.condition("Ready", "True", READY).await?;
        let crowd = Crowd::gather(stage.http()?, &admin(&stage).await?).await?;
        let mut canaries = Canaries::default();
        for password in logins.passwords() {
            canaries.add("a first password", password)?;
        }
        Ok(Self {
            stage,
            logins,
            crowd,
            canaries,
            since,
        })
    }

    /// The document; its passwords are remembered for the search.
    async fn document(&mut self) -> Result<Value> {
        let document = Backend::Kubernetes.document(&self.stage).await?;
        self.canaries.add_document(&document)?;
        Ok(document)
    }

    /// One planned turn of both at once: the other logins work, and these ones' passwords are gone.
    async fn turn(&mut self, round: usize) -> Result<()> {
        let begun = Instant::now();
        let before = self.stage.kids().await?;
        let old_urls = urls(&self.document().await?, CURRENT)?;
        let keys = BOTH.map(At::key);
        self.stage
            .rotate(&keys.join(","), &format!("round {round}"))
            .await?;
        self.stage.turned(&before, &keys).await?;
        let switched = begun.elapsed();
        for (at, old_url) in &old_urls {
            self.the_other_works(*at, old_url).await?;
        }
        for (at, old_url) in &old_urls {
            let kid = before.get(at.key()).context("a key without a version")?;
            self.stage.refused(at.key(), kid).await?;
            self.logins.is_locked_out(&self.stage, *at, old_url).await?;
        }
        println!(
            "turn-roles: round {round}: every pod works as the other role and user after {switched:?}, the old passwords are gone after {:?}",
            begun.elapsed()
        );
        Ok(())
    }

    async fn the_other_works(&mut self, at: At, old_url: &str) -> Result<()> {
        let url = at.url(&self.document().await?, CURRENT)?;
        self.logins.other_works(at, old_url, &url).await
    }

    /// The current version is revoked: who works loses its password, the other takes over.
    async fn a_stranger_knows_the_password(&mut self, at: At) -> Result<()> {
        let begun = Instant::now();
        let stolen = at.url(&self.document().await?, CURRENT)?;
        let before = self.stage.kids().await?;
        let kid = before.get(at.key()).context("a key without a version")?;
        self.stage.revoke(at.key(), kid).await?;
        self.stage.refused(at.key(), kid).await?;
        self.logins.is_locked_out(&self.stage, at, &stolen).await?;
        println!(
            "turn-roles: a stolen password of {} is of no use after {:?}",
            at.key(),
            begun.elapsed()
        );
        self.the_other_works(at, &stolen).await?;
        self.stage.condition("Ready", "True", SOON).await.map(drop)
    }

    async fn close(mut self) -> Result<()> {
        self.document().await?;
        let found = self.canaries.search(&self.stage, &self.since, &[]).await?;
        println!(
            "turn-roles: {} values searched for in {} places: {:?}",
            self.canaries.len(),
            found.searched.len(),
            found.hits
        );
        ensure!(found.hits.is_empty(), "I-04: {:?}", found.hits);
        self.stage.strike().await?;
        self.logins.end().await
    }
}
