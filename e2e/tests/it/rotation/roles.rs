//! The operator turns the two database roles and the two Redis users by Jobs: nobody writes a password.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use erpgo_e2e::{Backend, Canaries, Crowd, Kids, Since, Stage, services, until};
use serde_json::{Value, json};

use super::logins::{At, BOTH, CURRENT, Logins, NEXT, Urls, jobs, no_job_failed, urls};
use super::{RATE, SOON, rounds};
use crate::faults::{named, named_within};
use crate::first_run::admin;

/// What both turn from.
struct Old {
    kids: Kids,
    urls: Urls,
    asked: Instant,
}

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
    // Its Jobs fail, which they never do before.
    shop.a_database_that_is_away_is_waited_for().await?;
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
        stage.comes_up(spec).await?;
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

    /// One planned turn of both at once.
    async fn turn(&mut self, round: usize) -> Result<()> {
        let round = format!("round {round}");
        let old = self.ask(&round).await?;
        self.turns_from(&old, &round).await?;
        for at in BOTH {
            no_job_failed(&self.stage, at).await?;
        }
        Ok(())
    }

    async fn ask(&mut self, reason: &str) -> Result<Old> {
        let asked = Instant::now();
        let kids = self.stage.kids().await?;
        let urls = urls(&self.document().await?, CURRENT)?;
        let keys = BOTH.map(At::key).join(",");
        self.stage.rotate(&keys, reason).await?;
        Ok(Old { kids, urls, asked })
    }

    /// The other logins work, and the passwords of these ones are gone.
    async fn turns_from(&mut self, old: &Old, what: &str) -> Result<()> {
        self.stage.turned(&old.kids, &BOTH.map(At::key)).await?;
        let switched = old.asked.elapsed();
        for (at, url) in &old.urls {
            self.the_other_works(*at, url).await?;
        }
        for (at, url) in &old.urls {
            let kid = old.kids.get(at.key()).context("a key without a version")?;
            self.stage.refused(at.key(), kid).await?;
            self.logins.is_locked_out(*at, url).await?;
        }
        println!(
            "turn-roles: {what}: every pod works as the other role and user after {switched:?}, the old passwords are gone after {:?}",
            old.asked.elapsed()
        );
        Ok(())
    }

    /// The database goes as its role is to turn: what is in use stays so until it is back, and then both turn.
    async fn a_database_that_is_away_is_waited_for(&mut self) -> Result<()> {
        let pods = self.stage.ready_pods().await?;
        services("stop-postgres")?;
        let asked = self.ask_without_the_database().await;
        services("start-postgres")?;
        let old = asked?;
        self.turns_from(&old, "a database that was away").await?;
        self.was_tried_again(At::Database).await?;
        no_job_failed(&self.stage, At::Redis).await?;
        self.go_on(&pods).await
    }

    /// The same pods serve the same sessions, and no container was restarted.
    async fn go_on(&self, pods: &[String]) -> Result<()> {
        self.stage.condition("Ready", "True", SOON).await?;
        until("the same pods", SOON, || async {
            let now = self.stage.ready_pods().await?;
            let told = format!("{now:?} after {pods:?}");
            Ok(if now == pods { Ok(()) } else { Err(told) })
        })
        .await?;
        until("every session to go on", SOON, || async {
            self.crowd.renew().await.map(Ok)
        })
        .await?;
        ensure!(self.crowd.lost() == 0, "{} sessions", self.crowd.lost());
        ensure!(self.stage.restarts().await? == 0, "a container restarted");
        Ok(())
    }

    /// Asks while nobody can be given a password, until the rotation has said why: it stages nothing.
    async fn ask_without_the_database(&mut self) -> Result<Old> {
        let away = ["DatabaseUnavailable", "by themselves"];
        named(&self.stage, "Degraded", "True", &away).await?;
        named(&self.stage, "Ready", "False", &[]).await?;
        let old = self.ask("the database is away").await?;
        // A pod is given up after 20 s without a database.
        let why = [
            "begins",
            "a Job gives database role",
            "tried again",
            "the database cannot be reached",
        ];
        let type_ = "RotationInProgress";
        named_within(SOON, &self.stage, type_, "True", &why).await?;
        ensure!(self.stage.kids().await? == old.kids, "a key turned");
        let document = self.document().await?;
        ensure!(urls(&document, CURRENT)? == old.urls, "a URL was replaced");
        for at in BOTH {
            let staged = &document["keys"][at.key()][NEXT];
            ensure!(staged.is_null(), "{} is staged", at.key());
        }
        Ok(old)
    }

    async fn the_other_works(&mut self, at: At, old_url: &str) -> Result<()> {
        let url = at.url(&self.document().await?, CURRENT)?;
        self.logins.other_works(at, old_url, &url).await
    }

    /// One of the Jobs failed and succeeded in the end: no other one took its place.
    async fn was_tried_again(&self, at: At) -> Result<()> {
        let counts = jobs(&self.stage, at).await?.into_iter().map(|job| {
            let status = job.status.unwrap_or_default();
            (status.failed.unwrap_or(0), status.succeeded.unwrap_or(0))
        });
        let mut failed = counts.filter(|(failed, _)| *failed > 0);
        let (first, second) = (failed.next(), failed.next());
        let is_one = matches!((first, second), (Some((_, 1)), None));
        ensure!(
            is_one,
            "Jobs that failed and succeeded: {first:?} {second:?}"
        );
        Ok(())
    }

    /// The current version is revoked: who works loses its password, the other takes over.
    async fn a_stranger_knows_the_password(&mut self, at: At) -> Result<()> {
        let begun = Instant::now();
        let stolen = at.url(&self.document().await?, CURRENT)?;
        let before = self.stage.kids().await?;
        let kid = before.get(at.key()).context("a key without a version")?;
        self.stage.revoke(at.key(), kid).await?;
        self.stage.refused(at.key(), kid).await?;
        self.logins.is_locked_out(at, &stolen).await?;
        no_job_failed(&self.stage, at).await?;
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
