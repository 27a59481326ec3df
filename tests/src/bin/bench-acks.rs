//! How long it takes until 20 pods have acknowledged a generation that the operator writes.
//!
//! The sidecars are real processes, each on a loopback address of its own with the ports that a pod has,
//! and are nudged by the operator's own code. In place of the API stands what it does with a set but for
//! its use: it looks at the link ten times a second and acknowledges.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use erpgo_operator::acks::{self, Acks};
use erpgo_secret_set::{AcceptedKid, Ack, Generation, Manifest, Secret, Slot, Verdict};
use erpgo_test_kit::{moto, vault};
use erpgo_tests::cluster;
use erpgo_tests::sidecars::{self, PATH, Place, Running, Scratch, TOKEN};
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

const PODS: u8 = 20;
const ROUNDS: usize = 100;
const LOOK: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let program = std::env::var_os("SIDECAR_BINARY");
    let program = PathBuf::from(program.context("SIDECAR_BINARY: the release of sidecar-secrets")?);
    in_vault(&program).await?;
    in_aws(&program).await?;
    in_a_secret(&program).await
}

async fn in_vault(program: &Path) -> Result<()> {
    let vault = vault::server().await;
    vault.read_policy("bench", PATH).await;
    vault.enable_approle().await;
    let role = vault.approle("bench", &["bench"], "1h").await;
    let put = |text: String| {
        let vault = &vault;
        async move {
            vault.kv_put(PATH, &json!({"document": text})).await;
            Ok(())
        }
    };
    measure("Vault", program, &Place::Vault(&vault, &role), put).await
}

async fn in_aws(program: &Path) -> Result<()> {
    let moto = moto::server().await;
    let put = |text: String| {
        let moto = &moto;
        async move {
            moto.put(PATH, &text).await;
            Ok(())
        }
    };
    measure("AWS (moto)", program, &Place::Aws(&moto), put).await
}

async fn in_a_secret(program: &Path) -> Result<()> {
    let cluster = cluster::with_definition().await?;
    let namespace = cluster.namespace("bench").await;
    let secrets: Api<k8s_openapi::api::core::v1::Secret> =
        Api::namespaced(cluster.client(), namespace.name());
    let put = |text: String| {
        let secrets = &secrets;
        async move {
            let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-secret-set"}, "stringData": {"document.json": text}});
            let params = PatchParams::apply("bench").force();
            secrets
                .patch("shop-secret-set", &params, &Patch::Apply(&object))
                .await?;
            Ok(())
        }
    };
    let place = Place::Secret {
        url: cluster.url(),
        authority: cluster.authority(),
        token: cluster.token(),
        namespace: namespace.name(),
    };
    measure("a Secret", program, &place, put).await
}

async fn measure<F, Fut>(name: &str, program: &Path, place: &Place<'_>, put: F) -> Result<()>
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Result<()>>,
{
    put(sidecars::document(1)?.to_string()).await?;
    let fleet = Fleet::start(program, place)?;
    fleet.reaches(Generation(1)).await?;
    let mut took = Vec::new();
    for round in 0..ROUNDS {
        let generation = Generation(u64::try_from(round)? + 2);
        let text = sidecars::document(generation.0)?.to_string();
        let begun = Instant::now();
        put(text).await?;
        fleet.acks.nudge(&token(), &fleet.hosts, generation).await;
        took.push(begun.elapsed());
        ensure!(
            fleet.holding(generation).await == fleet.hosts.len(),
            "not every sidecar has {generation}"
        );
    }
    took.sort_unstable();
    let at =
        |share: usize| took[(took.len() * share / 100).min(took.len() - 1)].as_secs_f64() * 1000.0;
    println!(
        "a generation written to {name} until {PODS} pods have acknowledged it: p50 {:.0} ms, p99 {:.0} ms ({ROUNDS} times; goal p99 < 1000 ms)",
        at(50),
        at(99)
    );
    Ok(())
}

fn token() -> Secret {
    Secret::new(TOKEN.to_owned())
}

/// Sidecars, each with what stands for its API.
struct Fleet {
    acks: Acks,
    hosts: Vec<IpAddr>,
    apps: Vec<tokio::task::JoinHandle<()>>,
    _running: Vec<(Running, Scratch)>,
}

impl Fleet {
    fn start(program: &Path, place: &Place<'_>) -> Result<Self> {
        let mut fleet = Self {
            acks: Acks::new()?,
            hosts: Vec::new(),
            apps: Vec::new(),
            _running: Vec::new(),
        };
        for number in 1..=PODS {
            let host = IpAddr::from(Ipv4Addr::new(127, 0, 77, number));
            let dir = Scratch::new()?;
            let mut command = sidecars::command(program, &dir, place, Some(host))?;
            let log = std::fs::File::create(dir.path().join("log"))?;
            command.stdout(log.try_clone()?).stderr(log);
            let running = Running(command.spawn()?);
            fleet.apps.push(tokio::spawn(app(dir.secrets(), host)));
            fleet.hosts.push(host);
            fleet._running.push((running, dir));
        }
        Ok(fleet)
    }

    async fn holding(&self, generation: Generation) -> usize {
        let states = self.acks.states(&token(), &self.hosts).await;
        let holds = states
            .iter()
            .flatten()
            .filter(|state| acks::holds(state, generation.0));
        holds.count()
    }

    async fn reaches(&self, generation: Generation) -> Result<()> {
        let begun = Instant::now();
        while self.holding(generation).await < self.hosts.len() {
            ensure!(begun.elapsed() < LIMIT, "the sidecars do not come up");
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.apps.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

async fn app(secrets: PathBuf, host: IpAddr) {
    let http = reqwest::Client::new();
    let mut seen = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let Ok(link) = std::fs::read_link(secrets.join("..data")) else {
            continue;
        };
        if seen.as_ref() == Some(&link) {
            continue;
        }
        let Some(ack) = acknowledgement(&secrets.join(&link)) else {
            continue;
        };
        let sent = http.post(sidecars::ack_url(host)).json(&ack).send().await;
        if sent.is_ok_and(|answer| answer.status().is_success()) {
            seen = Some(link);
        }
    }
}

fn acknowledgement(set: &Path) -> Option<Value> {
    let manifest = std::fs::read(set.join("manifest.json")).ok()?;
    let manifest: Manifest = serde_json::from_slice(&manifest).ok()?;
    let kids = |current: bool| {
        let of = manifest
            .files
            .iter()
            .filter(|file| !current || file.slot == Slot::Current);
        let kid = of.map(|file| AcceptedKid {
            key: file.key,
            kid: file.kid.clone(),
        });
        kid.collect()
    };
    let verdict = Verdict::Ack {
        accepted: kids(false),
        in_use: kids(true),
        draining: Vec::new(),
        pepper_hashes: Vec::new(),
    };
    let ack = Ack {
        generation: manifest.generation,
        verdict,
    };
    serde_json::to_value(ack).ok()
}
