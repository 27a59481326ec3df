//! The operator turns the two database roles and the two Redis users by Jobs: nobody writes a password.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use erpgo_e2e::{Backend, Canaries, Crowd, Roles, Since, Stage, Users, until};
use k8s_openapi::api::batch::v1::Job;
use kube::api::{Api, ListParams};
use serde_json::json;

use super::{RATE, SOON, rounds};
use crate::first_run::admin;

const JOBS: &str = "app.kubernetes.io/component=credentials";
const ERRAND: &str = "erpgo.io/errand";

/// Where logins take turns.
#[derive(Clone, Copy)]
enum At {
    Database,
    Redis,
}

const BOTH: [At; 2] = [At::Database, At::Redis];

impl At {
    const fn key(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Redis => "redis",
        }
    }

    async fn connects(self, url: &str) -> Result<bool> {
        match self {
            Self::Database => Roles::connects(url).await,
            Self::Redis => Users::connects(url).await,
        }
    }
}

struct Shop {
    stage: Stage,
    roles: Roles,
    users: Users,
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
        let roles = Roles::begin(&stage).await?;
        let users = Users::begin(&stage).await?;
        let spec = json!({
            "replicas": 2,
            "database": {"rotation": roles.spec()},
            "redis": {"rotation": users.spec()},
            "settings": {"loginLimits": {"attemptsPerAddress": 10_000}},
        });
        stage.comes_up(spec).await?;
        let crowd = Crowd::gather(stage.http()?, &admin(&stage).await?).await?;
        let mut canaries = Canaries::default();
        for password in roles.passwords().iter().chain(users.passwords()) {
            canaries.add("a first password", password)?;
        }
        Ok(Self {
            stage,
            roles,
            users,
            crowd,
            canaries,
            since,
        })
    }

    fn of_url<'a>(&'a self, at: At, url: &str) -> Result<(&'a str, &'a str)> {
        match at {
            At::Database => self.roles.of_url(url),
            At::Redis => self.users.of_url(url),
        }
    }

    async fn has_password(&self, at: At, login: &str) -> Result<bool> {
        match at {
            At::Database => self.roles.has_password(login).await,
            At::Redis => self.users.has_password(login).await,
        }
    }

    /// The URL that pods use now; its password is remembered for the search.
    async fn url(&mut self, at: At) -> Result<String> {
        let document = Backend::Kubernetes.document(&self.stage).await?;
        self.canaries.add_document(&document)?;
        let url = document["keys"][at.key()]["current"]["value"].as_str();
        url.map(str::to_owned)
            .with_context(|| format!("no URL of {}", at.key()))
    }

    /// One planned turn of both at once: the other logins work, and these ones' passwords are gone.
    async fn turn(&mut self, round: usize) -> Result<()> {
        let begun = Instant::now();
        let before = self.stage.kids().await?;
        let old_urls = [self.url(At::Database).await?, self.url(At::Redis).await?];
        let keys = BOTH.map(At::key);
        self.stage
            .rotate(&keys.join(","), &format!("round {round}"))
            .await?;
        self.stage.turned(&before, &keys).await?;
        let switched = begun.elapsed();
        for (at, old_url) in BOTH.into_iter().zip(&old_urls) {
            self.the_other_works(at, old_url).await?;
        }
        for (at, old_url) in BOTH.into_iter().zip(&old_urls) {
            let kid = before.get(at.key()).context("a key without a version")?;
            self.stage.refused(at.key(), kid).await?;
            self.is_locked_out(at, old_url).await?;
        }
        println!(
            "turn-roles: round {round}: every pod works as the other role and user after {switched:?}, the old passwords are gone after {:?}",
            begun.elapsed()
        );
        Ok(())
    }

    async fn the_other_works(&mut self, at: At, old_url: &str) -> Result<()> {
        let url = self.url(at).await?;
        let (_, other) = self.of_url(at, old_url)?;
        let (now, _) = self.of_url(at, &url)?;
        ensure!(now == other, "{now} works, not {other}");
        ensure!(at.connects(&url).await?, "{now} cannot connect");
        Ok(())
    }

    async fn is_locked_out(&self, at: At, old_url: &str) -> Result<()> {
        let (old, _) = self.of_url(at, old_url)?;
        until("the end of the old password", SOON, || async {
            Ok(if self.has_password(at, old).await? {
                Err(format!("{old} has one still"))
            } else {
                Ok(())
            })
        })
        .await?;
        ensure!(!at.connects(old_url).await?, "{old} connects");
        self.no_job_failed(at).await
    }

    async fn no_job_failed(&self, at: At) -> Result<()> {
        let jobs: Api<Job> = self.stage.api();
        let mut list = jobs.list(&ListParams::default().labels(JOBS)).await?.items;
        let key = format!(" {} ", at.key());
        list.retain(|job| {
            let annotations = job.metadata.annotations.as_ref();
            let errand = annotations.and_then(|all| all.get(ERRAND));
            errand.is_some_and(|errand| errand.contains(&key))
        });
        ensure!(!list.is_empty(), "no Job changed a password of{key}");
        for job in list {
            let status = job.status.unwrap_or_default();
            let failed = status.failed.unwrap_or(0);
            ensure!(failed == 0, "{:?} failed {failed} times", job.metadata.name);
        }
        Ok(())
    }

    /// The current version is revoked: who works loses its password, the other takes over.
    async fn a_stranger_knows_the_password(&mut self, at: At) -> Result<()> {
        let begun = Instant::now();
        let stolen = self.url(at).await?;
        let before = self.stage.kids().await?;
        let kid = before.get(at.key()).context("a key without a version")?;
        self.stage.revoke(at.key(), kid).await?;
        self.stage.refused(at.key(), kid).await?;
        self.is_locked_out(at, &stolen).await?;
        println!(
            "turn-roles: a stolen password of {} is of no use after {:?}",
            at.key(),
            begun.elapsed()
        );
        self.the_other_works(at, &stolen).await?;
        self.stage.condition("Ready", "True", SOON).await.map(drop)
    }

    async fn close(mut self) -> Result<()> {
        self.url(At::Database).await?;
        let found = self.canaries.search(&self.stage, &self.since, &[]).await?;
        println!(
            "turn-roles: {} values searched for in {} places: {:?}",
            self.canaries.len(),
            found.searched.len(),
            found.hits
        );
        ensure!(found.hits.is_empty(), "I-04: {:?}", found.hits);
        self.stage.strike().await?;
        self.roles.end().await?;
        self.users.end().await
    }
}
