//! Keys turn under load: nobody is signed out, no request is lost, no container restarts, and what was
//! retired or revoked is refused by every pod.
//!
//! `E2E_ROTATIONS=full` (`make test-rotation`) plays the whole count; a test run plays less.

mod changer;
mod deaths;
mod disturbances;
mod emergencies;
mod evictions;
mod graces;
mod guide;
mod hangs;
mod held;
mod journeys;
mod logins;
mod planned;
mod roles;
mod shortages;
mod told;
mod troubles;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use erpgo_e2e::{Answer, Backend, Canaries, Collector, Crowd, Guide, Session, Shown, Since, Stage};
use serde_json::{Value, json};

use self::changer::{Changer, Who};
use crate::first_run::admin;

const KEYS: [&str; 5] = ["jwt", "refresh", "pepper", "database", "redis"];
const RATE: u32 = 300;
const FIRST_RELEASE: &str = "erpgo.local/erpgo:dev";
/// It brings a migration.
const SECOND_RELEASE: &str = "erpgo.local/erpgo:v2";
/// How long a step may take on a machine that does other things as well.
const SOON: Duration = Duration::from_secs(120);
/// How often a pod reads its set by itself: soon enough to be waited for, and too seldom to stand in for the
/// operator's word, with which an emergency is over in five seconds.
const POLL_SECONDS: u32 = 20;

/// What the ErpGo asks for beside its backend; disturbances change it.
#[derive(Clone, Copy)]
struct Wish {
    image: &'static str,
    pods: Pods,
}

/// How many pods there are to be, and who sees to it.
#[derive(Clone, Copy)]
enum Pods {
    /// The operator.
    Fixed(u32),
    /// The autoscaler, in which both bounds are the same: the load of this machine has no say.
    Autoscaled(u32),
}

/// An ErpGo on one backend with people who work on it.
struct Play {
    stage: Stage,
    wish: Wish,
    backend: Backend,
    changer: Changer,
    guide: Guide,
    crowd: Arc<Crowd>,
    collector: Collector,
    canaries: Canaries,
    since: Since,
}

impl Play {
    async fn begin(stage: Stage, backend: Backend, who: Who, pods: Pods) -> Result<Self> {
        let since = Since::now(&stage)?;
        let changer = Changer::begin(who, &stage).await?;
        let collector = Collector::listen(stage.node.address().await?).await?;
        let wish = Wish {
            image: FIRST_RELEASE,
            pods,
        };
        stage
            .comes_up(spec(&stage, &backend, &changer, &collector, wish))
            .await?;
        let admin = admin(&stage).await?;
        let crowd = Crowd::gather(stage.http()?, &admin).await?;
        let guide = Guide::open(&stage, &backend).await?;
        let mut canaries = Canaries::default();
        for (name, value) in [
            ("the administrator's token", admin.access_token),
            ("the administrator's refresh token", admin.refresh_token),
        ] {
            canaries.add(name, &value)?;
        }
        for password in crowd.passwords() {
            canaries.add("a password of a clerk", &password)?;
        }
        let mut play = Self {
            stage,
            wish,
            backend,
            changer,
            guide,
            crowd,
            collector,
            canaries,
            since,
        };
        play.remember().await?;
        // An autoscaler begins with one.
        play.two_are_ready().await?;
        Ok(play)
    }

    /// Keeps what is secret by now, for the search at the end.
    async fn remember(&mut self) -> Result<()> {
        self.canaries
            .add_document(&self.backend.document(&self.stage).await?)?;
        for password in self.changer.passwords() {
            self.canaries
                .add("a password of a role or user", &password)?;
        }
        Ok(())
    }

    async fn scale(&mut self, pods: Pods) -> Result<()> {
        self.wish.pods = pods;
        self.ask().await
    }

    async fn upgrade(&mut self) -> Result<()> {
        self.wish.image = SECOND_RELEASE;
        self.ask().await
    }

    async fn ask(&self) -> Result<()> {
        let (stage, backend) = (&self.stage, &self.backend);
        let spec = spec(stage, backend, &self.changer, &self.collector, self.wish);
        stage.apply(&stage.erpgo(spec)).await?;
        Ok(())
    }

    /// Somebody with tokens of the present keys who does not refresh them.
    async fn witness(&self) -> Result<Session> {
        admin(&self.stage).await
    }

    /// No value lies where it may not, and everything is removed.
    async fn end(mut self) -> Result<()> {
        ensure!(
            self.crowd.lost() == 0,
            "{} sessions were lost",
            self.crowd.lost()
        );
        self.remember().await?;
        for token in self.crowd.tokens().await {
            self.canaries.add("a token of a clerk", &token)?;
        }
        let traces = self.collector.kept();
        ensure!(!traces.is_empty(), "no trace was sent");
        let found = self
            .canaries
            .search(&self.stage, &self.since, &traces)
            .await?;
        let bytes: usize = found.searched.iter().map(|(_, bytes)| bytes).sum();
        println!(
            "{}: {} values searched for in {} places of {bytes} bytes: {:?}",
            self.stage.namespace,
            self.canaries.len(),
            found.searched.len(),
            found.hits
        );
        ensure!(found.hits.is_empty(), "I-04: {:?}", found.hits);
        self.log_is_whole()?;
        self.guide_was_followed().await?;
        self.stage.strike().await?;
        self.backend.end(&self.stage)?;
        self.changer.end(&self.stage).await
    }
}

/// How many rotations: all of them, or a few.
fn rounds(full: usize, few: usize) -> usize {
    match std::env::var("E2E_ROTATIONS").as_deref() {
        Ok("full") => full,
        _ => few,
    }
}

fn spec(
    stage: &Stage,
    backend: &Backend,
    changer: &Changer,
    collector: &Collector,
    wish: Wish,
) -> Value {
    let mut spec = json!({
        "image": wish.image,
        "secrets": {
            "backend": backend.spec(stage),
            "sidecar": {"pollIntervalSeconds": POLL_SECONDS},
        },
        "settings": {"loginLimits": {"attemptsPerAddress": 10_000}},
        "tracing": {"otlpEndpoint": collector.endpoint()},
    });
    match wish.pods {
        Pods::Fixed(count) => spec["replicas"] = count.into(),
        Pods::Autoscaled(count) => {
            spec["autoscaling"] = json!({"minReplicas": count, "maxReplicas": count});
        }
    }
    for (part, asked) in changer.spec() {
        spec[part] = asked;
    }
    spec
}

/// Every pod refuses the key that signed `token`.
async fn refused_by_every_pod(stage: &Stage, token: Shown<'_>) -> Result<()> {
    let answers = stage.answers(token).await?;
    let all = answers.iter().all(Answer::refuses_the_key);
    ensure!(all, "a token of a key that is gone: {answers:?}");
    Ok(())
}

/// Every pod accepts `token`.
async fn accepted_by_every_pod(stage: &Stage, token: &str) -> Result<()> {
    let answers = stage.answers(Shown::Access(token)).await?;
    let all = answers.iter().all(|answer| answer.said.0 == 200);
    ensure!(all, "a token of a key in its grace: {answers:?}");
    Ok(())
}
