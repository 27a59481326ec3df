//! The operator turns the two database roles by Jobs: nobody writes a password.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use erpgo_e2e::{Backend, Canaries, Crowd, Roles, Since, Stage, until};
use k8s_openapi::api::batch::v1::Job;
use kube::api::{Api, ListParams};
use serde_json::json;

use super::journeys::rounds;
use super::{RATE, SOON};
use crate::first_run::{READY, admin};

const DATABASE: &str = "database";
const JOBS: &str = "app.kubernetes.io/component=credentials";

struct Shop {
    stage: Stage,
    roles: Roles,
    crowd: Arc<Crowd>,
    canaries: Canaries,
    since: Since,
}

#[tokio::test]
async fn two_roles_turn_by_jobs() -> Result<()> {
    let stage = Stage::set_alone("turn-roles", 30113).await?;
    let mut shop = Shop::open(stage).await?;
    let load = shop.crowd.work(RATE);
    for round in 1..=rounds(3, 2) {
        shop.turn(round).await?;
    }
    let report = load.stop().await?;
    println!("turn-roles: {}", report.told());
    ensure!(report.failed == 0, "requests failed: {:?}", report.examples);
    ensure!(shop.crowd.lost() == 0, "{} sessions", shop.crowd.lost());
    ensure!(shop.stage.restarts().await? == 0, "a container restarted");
    shop.a_stranger_knows_the_password().await?;
    shop.close().await
}

impl Shop {
    async fn open(stage: Stage) -> Result<Self> {
        let since = Since::now(&stage)?;
        let roles = Roles::begin(&stage).await?;
        let spec = json!({
            "replicas": 2,
            "database": {"rotation": roles.spec()},
            "settings": {"loginLimits": {"attemptsPerAddress": 10_000}},
        });
        stage.apply(&stage.erpgo(spec)).await?;
        stage.condition("Ready", "True", READY).await?;
        let crowd = Crowd::gather(stage.http()?, &admin(&stage).await?).await?;
        let mut canaries = Canaries::default();
        for password in roles.passwords() {
            canaries.add("a first password", password)?;
        }
        Ok(Self {
            stage,
            roles,
            crowd,
            canaries,
            since,
        })
    }

    /// The URL that pods use now; its password is remembered for the search.
    async fn url(&mut self) -> Result<String> {
        let document = Backend::Kubernetes.document(&self.stage).await?;
        self.canaries.add_document(&document)?;
        let url = document["keys"][DATABASE]["current"]["value"].as_str();
        url.map(str::to_owned).context("no database URL")
    }

    /// One planned turn: the other role works, and this one's password is gone.
    async fn turn(&mut self, round: usize) -> Result<()> {
        let begun = Instant::now();
        let before = self.stage.kids().await?;
        let old_url = self.url().await?;
        self.stage
            .rotate(DATABASE, &format!("round {round}"))
            .await?;
        self.stage.turned(&before, &[DATABASE]).await?;
        let switched = begun.elapsed();
        self.the_other_works(&old_url).await?;
        let kid = before.get(DATABASE).context("no database key")?;
        self.stage.refused(DATABASE, kid).await?;
        println!(
            "turn-roles: round {round}: every pod works as the other role after {switched:?}, the old password is gone after {:?}",
            begun.elapsed()
        );
        self.is_locked_out(&old_url).await
    }

    async fn the_other_works(&mut self, old_url: &str) -> Result<()> {
        let url = self.url().await?;
        let (_, other) = self.roles.of_url(old_url)?;
        let (now, _) = self.roles.of_url(&url)?;
        ensure!(now == other, "{now} works, not {other}");
        ensure!(Roles::connects(&url).await?, "{now} cannot connect");
        Ok(())
    }

    async fn is_locked_out(&self, old_url: &str) -> Result<()> {
        let (old, _) = self.roles.of_url(old_url)?;
        until("the end of the old password", SOON, || async {
            Ok(if self.roles.has_password(old).await? {
                Err(format!("{old} has one still"))
            } else {
                Ok(())
            })
        })
        .await?;
        ensure!(!Roles::connects(old_url).await?, "{old} connects");
        self.no_job_failed().await
    }

    async fn no_job_failed(&self) -> Result<()> {
        let jobs: Api<Job> = self.stage.api();
        let list = jobs.list(&ListParams::default().labels(JOBS)).await?;
        ensure!(!list.items.is_empty(), "no Job changed a password");
        for job in list {
            let status = job.status.unwrap_or_default();
            let failed = status.failed.unwrap_or(0);
            ensure!(failed == 0, "{:?} failed {failed} times", job.metadata.name);
        }
        Ok(())
    }

    /// The current version is revoked: the role that works loses its password, the other takes over.
    async fn a_stranger_knows_the_password(&mut self) -> Result<()> {
        let begun = Instant::now();
        let stolen = self.url().await?;
        let before = self.stage.kids().await?;
        let kid = before.get(DATABASE).context("no database key")?;
        self.stage.revoke(DATABASE, kid).await?;
        self.stage.refused(DATABASE, kid).await?;
        self.is_locked_out(&stolen).await?;
        println!(
            "turn-roles: a stolen password is of no use after {:?}",
            begun.elapsed()
        );
        self.the_other_works(&stolen).await?;
        self.stage.condition("Ready", "True", SOON).await.map(drop)
    }

    async fn close(mut self) -> Result<()> {
        self.url().await?;
        let found = self.canaries.search(&self.stage, &self.since, &[]).await?;
        println!(
            "turn-roles: {} values searched for in {} places: {:?}",
            self.canaries.len(),
            found.searched.len(),
            found.hits
        );
        ensure!(found.hits.is_empty(), "I-04: {:?}", found.hits);
        self.stage.strike().await?;
        self.roles.end().await
    }
}
