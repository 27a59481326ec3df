//! How long it takes until 20 pods have acknowledged a generation that the operator writes.
//!
//! The document is written and the sidecars are nudged by the operator's own code. The sidecars are real
//! processes, each on a loopback address of its own with the ports that a pod has. In place of the API stands
//! what it does with a set but for its use: it looks at the link ten times a second and acknowledges.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use erpgo_crds::ErpGo;
use erpgo_operator::acks::{self, Acks};
use erpgo_operator::audience::Audience;
use erpgo_operator::secrets::{Revision, Secrets, WriteId, Written};
use erpgo_secret_set::{AcceptedKid, Ack, Document, Generation, Manifest, Secret, Slot, Verdict};
use erpgo_test_kit::moto::{self, REGION};
use erpgo_test_kit::vault;
use erpgo_test_kit::verdicts::{Goal, Verdicts};
use erpgo_tests::shop::Shop;
use erpgo_tests::sidecars::{self, PATH, Place, Running, Scratch, TOKEN};
use k8s_openapi::api::core::v1::Secret as KubernetesSecret;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

const PODS: u8 = 20;
const ROUNDS: usize = 100;
const LOOK: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(60);
/// The Secret with the operator's login.
const LOGIN: &str = "login";

#[tokio::main]
async fn main() -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let program = std::env::var_os("SIDECAR_BINARY");
    let program = PathBuf::from(program.context("SIDECAR_BINARY: the release of sidecar-secrets")?);
    let mut verdicts = Verdicts::default();
    in_vault(&program, &mut verdicts).await?;
    in_aws(&program, &mut verdicts).await?;
    in_a_secret(&program, &mut verdicts).await?;
    verdicts.end()
}

async fn in_vault(program: &Path, verdicts: &mut Verdicts) -> Result<()> {
    let (shop, vault) = (Shop::prepare("bench").await?, vault::server().await);
    vault.read_policy("bench", PATH).await;
    vault.policy("operator", &rights()).await;
    vault.enable_approle().await;
    let role = vault.approle("bench", &["bench"], "1h").await;
    let login = vault.approle("operator", &["operator"], "1h").await;
    let login = json!({"role-id": login.role_id, "secret-id": login.secret_id});
    store_login(&shop, &login).await?;
    let backend = json!({"vault": {
        "address": vault.url(),
        "allowHttp": true,
        "path": PATH,
        "auth": {"appRole": {"secretRef": {"name": LOGIN}}},
    }});
    let writer = Writer::start(&shop, &backend).await?;
    let fleet = Fleet::start(program, &Place::Vault(&vault, &role))?;
    judge(verdicts, "Vault", &measure(fleet, writer).await?);
    Ok(())
}

async fn in_aws(program: &Path, verdicts: &mut Verdicts) -> Result<()> {
    let (shop, moto) = (Shop::prepare("bench").await?, moto::server().await);
    let login = json!({"access-key-id": "AKIAIOSFODNN7EXAMPLE", "secret-access-key": "any"});
    store_login(&shop, &login).await?;
    let backend = json!({"aws": {
        "region": REGION,
        "secretId": PATH,
        "endpoint": moto.url(),
        "stsEndpoint": moto.url(),
        "allowHttp": true,
        "auth": {"staticCredentialsSecretRef": {"name": LOGIN}},
    }});
    let writer = Writer::start(&shop, &backend).await?;
    let fleet = Fleet::start(program, &Place::Aws(&moto))?;
    judge(verdicts, "AWS (moto)", &measure(fleet, writer).await?);
    Ok(())
}

async fn in_a_secret(program: &Path, verdicts: &mut Verdicts) -> Result<()> {
    let shop = Shop::prepare("bench").await?;
    let writer = Writer::start(&shop, &json!({"kubernetes": {}})).await?;
    let place = Place::Secret {
        url: shop.cluster().url(),
        authority: shop.cluster().authority(),
        token: shop.cluster().token(),
        namespace: shop.namespace(),
    };
    let fleet = Fleet::start(program, &place)?;
    judge(verdicts, "a Secret", &measure(fleet, writer).await?);
    Ok(())
}

/// What the guide to backends asks for.
fn rights() -> String {
    format!(
        r#"
path "secret/data/{PATH}" {{ capabilities = ["create", "read", "update"] }}
path "secret/metadata/{PATH}" {{ capabilities = ["create", "update", "delete"] }}
"#
    )
}

async fn store_login(shop: &Shop, values: &Value) -> Result<()> {
    let secret = json!({"metadata": {"name": LOGIN}, "stringData": values});
    let api: Api<KubernetesSecret> = shop.api();
    api.create(&PostParams::default(), &serde_json::from_value(secret)?)
        .await?;
    Ok(())
}

/// How long each round took, the shortest first.
async fn measure(fleet: Fleet, mut writer: Writer) -> Result<Vec<Duration>> {
    fleet.reaches(Generation::FIRST).await?;
    let pods = Audience {
        heard: fleet.hosts.clone(),
        silent: Vec::new(),
        patience: Duration::from_secs(5),
    };
    let mut took = Vec::new();
    for round in 0..ROUNDS {
        let generation = Generation(u64::try_from(round)? + 2);
        let text = sidecars::document(generation.0)?.to_string();
        let document = Document::parse(text.as_bytes())?;
        let begun = Instant::now();
        writer.write(&document).await?;
        fleet.acks.nudge(&token(), &pods, generation).await;
        took.push(begun.elapsed());
        ensure!(
            fleet.holding(generation).await == fleet.hosts.len(),
            "not every sidecar has {generation}"
        );
    }
    took.sort_unstable();
    Ok(took)
}

fn judge(verdicts: &mut Verdicts, name: &str, took: &[Duration]) {
    let at =
        |share: usize| took[(took.len() * share / 100).min(took.len() - 1)].as_secs_f64() * 1000.0;
    let told = format!(
        "a generation written to {name} until {PODS} pods have acknowledged it, {ROUNDS} times: p50 {:.0} ms, p99 {:.0} ms",
        at(50),
        at(99)
    );
    println!("{}", verdicts.judge(&told, at(99), Goal::Below(1000.0)));
}

/// The operator's access to the document of an `ErpGo`.
struct Writer {
    secrets: Secrets,
    erpgo: ErpGo,
    revision: Revision,
}

impl Writer {
    /// Writes the first generation into `backend`.
    async fn start(shop: &Shop, backend: &Value) -> Result<Self> {
        let erpgo = json!({
            "apiVersion": "erpgo.io/v1alpha1",
            "kind": "ErpGo",
            "metadata": {"name": "shop", "namespace": shop.namespace()},
            "spec": {
                "image": "erpgo.local/erpgo:1",
                "database": {"secretRef": {"name": "shop-database"}},
                "secrets": {"backend": backend},
            },
        });
        let erpgo: ErpGo = serde_json::from_value(erpgo)?;
        let secrets = Secrets::new(shop.cluster().client());
        secrets.ensure_first_generation(&erpgo).await?;
        let held = secrets
            .read(&erpgo)
            .await?
            .context("no document is there")?;
        Ok(Self {
            secrets,
            erpgo,
            revision: held.revision,
        })
    }

    /// Writes `document` in the place of the one before, as a step of a rotation does.
    async fn write(&mut self, document: &Document) -> Result<()> {
        let write = WriteId::derive("bench", &document.generation.to_string());
        let written = self
            .secrets
            .replace(&self.erpgo, &self.revision, document, &write)
            .await?;
        match written {
            Written::Done(revision) => self.revision = revision,
            Written::Conflict => bail!("somebody else has written the document"),
        }
        Ok(())
    }
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
