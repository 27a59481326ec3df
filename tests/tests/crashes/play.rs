//! A shop whose keys turn, and the operator that turns them and is killed meanwhile.
//!
//! Owns whatever else a cluster would do for it: pods that acknowledge, Jobs that end and go, days
//! that pass.

use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use erpgo_crds::{Acks, ErpGo, ErpGoStatus};
use erpgo_operator::reconcile::rotation_log::{self, LOG_KEY};
use erpgo_operator::rotation::log::Entry;
use erpgo_test_kit::Signal;
use erpgo_test_kit::apiserver::TestCluster;
use erpgo_tests::operator::{Operator, Release};
use erpgo_tests::shop::{DATABASE_URL, Shop};
use erpgo_tests::wait;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::end::{End, is_told_once};
use super::gate::Gate;
use super::pods::{self, Pods};

/// Every key of the set.
const KEYS: [&str; 5] = ["jwt", "refresh", "pepper", "database", "redis"];
/// Those whose grace is over at once.
const GO_FIRST: [&str; 2] = ["database", "redis"];
/// Longest time for a rotation with a death in it, far above what it takes.
const LIMIT: Duration = Duration::from_secs(300);
/// Before the grace of anything.
const LONG_AGO: &str = "2020-01-01T00:00:00Z";
const ADMIN: &str = "shop-database-admin";
const REDIS: &str = "shop-redis";
const REDIS_ADMIN: &str = "shop-redis-admin";
/// Nobody connects to it either.
const REDIS_URL: &str = "redis://shop:kept-out-of-sight@127.0.0.1:6379/0";

/// A shop at rest between two rotations.
pub struct Play {
    operator: Operator,
    _pods: Pods,
    gate: Gate,
    shop: Shop,
}

/// One rotation of every key.
pub struct Run {
    /// After which write the operator was to die.
    pub death: usize,
    /// Whether it did; else there were not so many.
    pub died: bool,
    /// Every write, in its order.
    pub writes: Vec<String>,
    /// What came of it.
    pub end: End,
}

impl Play {
    /// A shop that serves, with two pods, and two database roles and two Redis users that take turns.
    pub async fn begin(cluster: TestCluster) -> Result<Self> {
        let shop = Shop::prepare_in(cluster, "crashes").await?;
        let gate = Gate::before(shop.cluster()).await?;
        let (cluster, namespace) = (shop.cluster(), shop.namespace());
        let release = Release::default();
        let operator = Operator::install_at(cluster, namespace, release, gate.url()).await?;
        for (name, url) in [
            (ADMIN, DATABASE_URL),
            (REDIS, REDIS_URL),
            (REDIS_ADMIN, REDIS_URL),
        ] {
            give_url(&shop, name, url).await?;
        }
        shop.settle(&spec()).await?;
        let pods = Pods::of(&shop).await?;
        let play = Self {
            operator,
            _pods: pods,
            gate,
            shop,
        };
        play.until_every_pod_agrees().await?;
        Ok(play)
    }

    /// Has every key turn, with a death of the operator right after its write number `death`.
    pub async fn rotation(&mut self, death: usize) -> Result<Run> {
        let before = pods::newest(&self.shop.api()).await?;
        let request = format!("{}=death after write {death}", KEYS.join(","));
        self.gate.shut_after(death);
        self.shop.annotate("erpgo.io/rotate", &request).await?;
        let died = self.until_over(&request, death).await?;
        let writes = self.gate.writes();
        let after = pods::newest(&self.shop.api()).await?;
        let rotation = self.erpgo().await?.status.and_then(|is| is.rotation);
        let last = rotation.and_then(|rotation| rotation.last);
        let last = last.context("no rotation has ended")?;
        ensure!(last.outcome == "Switched" && last.keys == KEYS, "{last:?}");
        is_told_once(&self.log().await?, &last.id, &before, &after)?;
        self.jobs_go().await?;
        let end = End::of(&before, &after, &writes);
        Ok(Run {
            death,
            died,
            writes,
            end,
        })
    }

    /// Tells whether the operator died on the way.
    async fn until_over(&mut self, request: &str, death: usize) -> Result<bool> {
        let mut died = false;
        let over = wait::until_within(LIMIT, "the rotation's end", async || {
            if self.gate.is_shut() {
                self.dies(death).await?;
                died = true;
            }
            let erpgo = self.erpgo().await?;
            self.jobs_end().await?;
            self.days_pass(&erpgo).await?;
            let status = erpgo.status.unwrap_or_default();
            // What the status shows may be the write after which the gate shuts.
            let over = is_over(&status, request) && self.gate.is_quiet();
            Ok(over.then_some(()))
        });
        let ended = over.await;
        ended.with_context(|| self.operator.process.tail())?;
        Ok(died)
    }

    async fn dies(&mut self, death: usize) -> Result<()> {
        let process = &mut self.operator.process;
        process.signal(Signal::KILL)?;
        let ended = process.wait(wait::LIMIT).await?;
        ensure!(
            ended.signal() == Some(Signal::KILL.as_raw()),
            "the operator ended by itself with {ended}"
        );
        let writes = self.gate.writes();
        ensure!(writes.len() == death, "not {death} writes: {writes:#?}");
        self.gate.open();
        self.operator.restart().await
    }

    // A Job ends well as soon as all that its pod mounts is there.
    async fn jobs_end(&self) -> Result<()> {
        for job in self.shop.unfinished_jobs("credentials").await? {
            if self.has_its_secrets(&job).await? {
                self.shop.complete(&job).await?;
            }
        }
        Ok(())
    }

    async fn has_its_secrets(&self, job: &Job) -> Result<bool> {
        let secrets: Api<Secret> = self.shop.api();
        let pod = job.spec.as_ref().and_then(|is| is.template.spec.as_ref());
        let volumes = pod.and_then(|pod| pod.volumes.as_ref());
        for volume in volumes.into_iter().flatten() {
            let source = volume.secret.as_ref();
            if let Some(name) = source.and_then(|source| source.secret_name.as_ref())
                && secrets.get_opt(name).await?.is_none()
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    // One that has ended stays for ten minutes, and the next rotation is days away: those of all rotations
    // of a test may be more than the operator reads.
    async fn jobs_go(&self) -> Result<()> {
        let jobs: Api<Job> = self.shop.api();
        let credentials = ListParams::default().labels("app.kubernetes.io/component=credentials");
        jobs.delete_collection(&DeleteParams::background(), &credentials)
            .await?;
        Ok(())
    }

    // The status says since when a grace counts. Those of database and Redis are over at once: they go
    // first, so that what goes together does not depend on the moment.
    async fn days_pass(&self, erpgo: &ErpGo) -> Result<()> {
        let status = erpgo.status.as_ref();
        let Some(rotation) = status.and_then(|status| status.rotation.as_ref()) else {
            return Ok(());
        };
        let mut keys = rotation.keys.iter();
        let goes_first =
            keys.any(|key| GO_FIRST.contains(&key.key.as_str()) && key.previous.is_some());
        if rotation.active.is_some() || goes_first {
            return Ok(());
        }
        let now = serde_json::to_value(&rotation.keys)?;
        let mut later = now.clone();
        let keys = later.as_array_mut().into_iter().flatten();
        for since in keys.filter_map(|key| key.get_mut("switchedAt")) {
            *since = LONG_AGO.into();
        }
        if later == now {
            return Ok(());
        }
        self.set_keys(erpgo, &later).await
    }

    async fn set_keys(&self, erpgo: &ErpGo, keys: &Value) -> Result<()> {
        let version = erpgo.resource_version().unwrap_or_default();
        let patch = json!({
            "metadata": {"resourceVersion": version},
            "status": {"rotation": {"keys": keys}},
        });
        let erpgos: Api<ErpGo> = self.shop.api();
        let patched = erpgos
            .patch_status("shop", &PatchParams::default(), &Patch::Merge(&patch))
            .await;
        match patched {
            // The operator was quicker: the next look tells.
            Err(kube::Error::Api(status)) if status.is_conflict() => return Ok(()),
            patched => patched?,
        };
        // A change of the status wakes nobody.
        self.shop
            .annotate("example.com/days-passed", &version)
            .await
    }

    async fn until_every_pod_agrees(&self) -> Result<()> {
        let all = Acks {
            acknowledged: pods::COUNT,
            total: pods::COUNT,
        };
        wait::until("the word of every pod", async || {
            let status = self.erpgo().await?.status;
            let set = status.and_then(|status| status.secret_set);
            Ok(set.filter(|set| set.acks.as_ref() == Some(&all)))
        })
        .await
        .map(drop)
    }

    async fn erpgo(&self) -> Result<ErpGo> {
        let erpgos: Api<ErpGo> = self.shop.api();
        Ok(erpgos.get("shop").await?)
    }

    async fn log(&self) -> Result<Vec<Entry>> {
        let log: ConfigMap = self.shop.get("shop-rotation-log").await?;
        let data = log.data.unwrap_or_default();
        let text = data.get(LOG_KEY).context("no log")?;
        Ok(rotation_log::parse(text))
    }
}

async fn give_url(shop: &Shop, name: &str, url: &str) -> Result<()> {
    let secret = json!({"metadata": {"name": name}, "stringData": {"url": url}});
    let secrets: Api<Secret> = shop.api();
    secrets
        .create(&PostParams::default(), &serde_json::from_value(secret)?)
        .await?;
    Ok(())
}

fn spec() -> Value {
    json!({
        "database": {
            "secretRef": {"name": "shop-database"},
            "rotation": {"roles": ["shop", "shop_b"], "adminSecretRef": {"name": ADMIN}},
        },
        "redis": {
            "secretRef": {"name": REDIS},
            "rotation": {"users": ["shop", "shop_b"], "adminSecretRef": {"name": REDIS_ADMIN}},
        },
    })
}

// Each key has one version, every old one is proven to be refused, and the condition says so.
fn is_over(status: &ErpGoStatus, request: &str) -> bool {
    let Some(rotation) = &status.rotation else {
        return false;
    };
    let mut keys = rotation.keys.iter();
    let mut removed = rotation.removed.iter();
    let mut conditions = status.conditions.iter();
    rotation.handled_rotate.as_deref() == Some(request)
        && rotation.active.is_none()
        && keys.all(|key| key.next.is_none() && key.previous.is_none())
        && removed.all(|gone| gone.refused_at.is_some())
        && conditions.any(|told| {
            told.type_ == "RotationInProgress"
                && told.status == "False"
                && told.reason == "NotRotating"
        })
}
