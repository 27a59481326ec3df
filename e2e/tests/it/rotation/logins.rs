//! The two database roles and the two Redis users that the operator lets take turns by Jobs.
//!
//! Owns what a turn must come to: the other login works, nobody connects by the old one, and no Job failed.
//! After the first URLs nobody writes a password here.

use anyhow::{Context as _, Result, ensure};
use erpgo_e2e::{Roles, Stage, Users};
use k8s_openapi::api::batch::v1::Job;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

const JOBS: &str = "app.kubernetes.io/component=credentials";
const ERRAND: &str = "erpgo.io/errand";

/// Where a version stands that pods use, and one that they try.
pub(super) const CURRENT: &str = "current";
pub(super) const NEXT: &str = "next";

pub(super) const BOTH: [At; 2] = [At::Database, At::Redis];

/// Where logins take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Database,
    Redis,
}

/// A URL of each.
pub(super) type Urls = [(At, String); 2];

/// The roles and users of a stage.
pub(super) struct Logins {
    roles: Roles,
    users: Users,
}

impl At {
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Redis => "redis",
        }
    }

    /// The URL that stands in `document` at `place`.
    pub(super) fn url(self, document: &Value, place: &str) -> Result<String> {
        let url = document["keys"][self.key()][place]["value"].as_str();
        let url = url.with_context(|| format!("there is no {place} URL of {}", self.key()))?;
        Ok(url.to_owned())
    }

    pub(super) async fn connects(self, url: &str) -> Result<bool> {
        match self {
            Self::Database => Roles::connects(url).await,
            Self::Redis => Users::connects(url).await,
        }
    }
}

/// Those that stand in `document` at `place`.
pub(super) fn urls(document: &Value, place: &str) -> Result<Urls> {
    let [database, redis] = BOTH.map(|at| (at, at.url(document, place)));
    Ok([(database.0, database.1?), (redis.0, redis.1?)])
}

impl Logins {
    pub(super) async fn begin(stage: &Stage) -> Result<Self> {
        Ok(Self {
            roles: Roles::begin(stage).await?,
            users: Users::begin(stage).await?,
        })
    }

    /// What the `ErpGo` asks for, by the part of its spec.
    pub(super) fn spec(&self) -> [(&'static str, Value); 2] {
        let rotation = |at: At| match at {
            At::Database => self.roles.spec(),
            At::Redis => self.users.spec(),
        };
        BOTH.map(|at| (at.key(), json!({"rotation": rotation(at)})))
    }

    /// The first passwords, for a search.
    pub(super) fn passwords(&self) -> impl Iterator<Item = &String> {
        self.roles.passwords().iter().chain(self.users.passwords())
    }

    /// `url`, which pods use now, is of the other login than `old`, and connects.
    pub(super) async fn other_works(&self, at: At, old: &str, url: &str) -> Result<()> {
        let (_, other) = self.of_url(at, old)?;
        let (now, _) = self.of_url(at, url)?;
        ensure!(now == other, "{now} works, not {other}");
        ensure!(at.connects(url).await?, "{now} cannot connect");
        Ok(())
    }

    /// The Jobs have taken the password of `old` away; they do so before its version goes.
    pub(super) async fn is_locked_out(&self, at: At, old: &str) -> Result<()> {
        let (login, _) = self.of_url(at, old)?;
        let has_password = match at {
            At::Database => self.roles.has_password(login).await?,
            At::Redis => self.users.has_password(login).await?,
        };
        ensure!(!has_password, "{login} has a password still");
        ensure!(!at.connects(old).await?, "{login} connects");
        Ok(())
    }

    /// Removes them; the database must be gone.
    pub(super) async fn end(self) -> Result<()> {
        self.roles.end().await?;
        self.users.end().await
    }

    fn of_url<'a>(&'a self, at: At, url: &str) -> Result<(&'a str, &'a str)> {
        match at {
            At::Database => self.roles.of_url(url),
            At::Redis => self.users.of_url(url),
        }
    }
}

/// The Jobs that changed passwords there.
pub(super) async fn jobs(stage: &Stage, at: At) -> Result<Vec<Job>> {
    let jobs: Api<Job> = stage.api();
    let mut list = jobs.list(&ListParams::default().labels(JOBS)).await?.items;
    let key = format!(" {} ", at.key());
    list.retain(|job| {
        let annotations = job.metadata.annotations.as_ref();
        let errand = annotations.and_then(|all| all.get(ERRAND));
        errand.is_some_and(|errand| errand.contains(&key))
    });
    ensure!(!list.is_empty(), "no Job changed a password of{key}");
    Ok(list)
}

/// None of them did.
pub(super) async fn no_job_failed(stage: &Stage, at: At) -> Result<()> {
    for job in jobs(stage, at).await? {
        let status = job.status.unwrap_or_default();
        let failed = status.failed.unwrap_or(0);
        ensure!(failed == 0, "{:?} failed {failed} times", job.metadata.name);
    }
    Ok(())
}
