//! An app that follows a directory as it does beside a sidecar, and an ear where the sidecar listens.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use erpgo::secrets::{Acks, Source, Watched, pepper, watch};
use erpgo_secret_set::{
    AcceptedKid, Ack, Document, Generation, KeyName, Keys, MANIFEST_FILE, RotatingKey, Secret,
    Verdict, Version, render,
};
use erpgo_test_kit::postgres::TestDatabase;
use sqlx::Connection as _;
use tokio_util::sync::CancellationToken;

use crate::sql::sql;
use crate::world::{SETTINGS, World, copy_keys, document, until};

/// Writes a generation the way the sidecar does.
pub fn write(directory: &Path, document: &Document) {
    let rendered = render(document);
    let name = format!(
        "..g{}_{}",
        document.generation,
        uuid::Uuid::new_v4().simple()
    );
    let target = directory.join(&name);
    std::fs::create_dir(&target).unwrap();
    std::fs::write(target.join(MANIFEST_FILE), rendered.manifest_json()).unwrap();
    for (file, value) in &rendered.files {
        std::fs::write(target.join(file), value.expose_secret()).unwrap();
    }
    let link = directory.join("..data_tmp");
    symlink(&name, &link).unwrap();
    std::fs::rename(&link, directory.join("..data")).unwrap();
}

/// A sidecar that remembers what it is told, until `end`.
async fn sidecar(end: CancellationToken) -> (SocketAddr, Arc<Mutex<Vec<Ack>>>) {
    let heard: Arc<Mutex<Vec<Ack>>> = Arc::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let store = heard.clone();
    let router = Router::new().route(
        "/v1/ack",
        post(move |axum::Json(ack): axum::Json<Ack>| async move {
            store.lock().unwrap().push(ack);
            http::StatusCode::NO_CONTENT
        }),
    );
    let served = axum::serve(listener, router).with_graceful_shutdown(end.cancelled_owned());
    tokio::spawn(async move { served.await });
    (address, heard)
}

pub struct Pod {
    pub world: World,
    pub directory: tempfile::TempDir,
    heard: Arc<Mutex<Vec<Ack>>>,
    ear: (SocketAddr, CancellationToken),
    written: Mutex<Document>,
    stop: CancellationToken,
}

impl Pod {
    pub async fn new() -> Self {
        let database = crate::world::database().await;
        let first = document(&database.url(), None);
        Self::on(database, first).await
    }

    /// A pod that begins with `first`.
    pub async fn on(database: TestDatabase, first: Document) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), &first);
        let source = Source::Directory(directory.path().to_owned());
        let world = World::on(database, source.read().ok().unwrap(), SETTINGS).await;
        let end = CancellationToken::new();
        let (address, heard) = sidecar(end.clone()).await;
        let url = format!("http://{address}/v1/ack").parse().unwrap();
        let (acks, stop) = (Acks::new(), CancellationToken::new());
        tokio::spawn(acks.clone().deliver(url, stop.clone()));
        let state = &world.state;
        tokio::spawn(pepper::count(
            state.keyring.clone(),
            state.database.clone(),
            acks.clone(),
            stop.clone(),
        ));
        let watched = Watched {
            source,
            keyring: state.keyring.clone(),
            database: state.database.clone(),
            redis: state.redis.clone(),
            settings: state.settings.database.clone(),
            acks,
        };
        tokio::spawn(watch(watched, stop.clone()));
        Self {
            world,
            directory,
            heard,
            ear: (address, end),
            written: Mutex::new(first),
            stop,
        }
    }

    /// Writes the next generation: the last one, changed.
    pub fn write(&self, change: impl FnOnce(&mut Keys)) -> Generation {
        let mut last = self.written.lock().unwrap();
        let mut next = Document {
            generation: Generation(last.generation.0 + 1),
            keys: copy_keys(&last.keys),
            prepared: std::collections::BTreeMap::new(),
        };
        change(&mut next.keys);
        write(self.directory.path(), &next);
        *last = next;
        last.generation
    }

    /// Writes the next generation and waits until it is acknowledged.
    pub async fn turn(&self, change: impl FnOnce(&mut Keys)) -> Said {
        let generation = self.write(change);
        self.hears("an acknowledgement", |said| {
            said.generation == generation && said.reasons.is_empty()
        })
        .await
    }

    /// Writes the next generation and waits until it is refused.
    pub async fn refusal(&self, change: impl FnOnce(&mut Keys)) -> String {
        let generation = self.write(change);
        let said = self
            .hears("a refusal", |said| {
                said.generation == generation && !said.reasons.is_empty()
            })
            .await;
        assert_eq!(said.reasons.len(), 1, "{said:?}");
        said.reasons[0].clone()
    }

    /// What was said last.
    pub fn said(&self) -> Option<Said> {
        self.heard.lock().unwrap().last().cloned().map(Said::from)
    }

    /// Waits until something is said; generously, since credentials are tried again each second, and hashes are
    /// counted every other second but up to five minutes later when a busy database made a count slow.
    pub async fn hears(&self, what: &str, is: impl Fn(&Said) -> bool) -> Said {
        let limit = std::time::Instant::now() + Duration::from_secs(330);
        loop {
            match self.said() {
                Some(said) if is(&said) => return said,
                last => assert!(std::time::Instant::now() < limit, "{what}: {last:?}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// From now on nobody listens, and what the sidecar wrote is gone.
    pub async fn loses_its_sidecar(&self) {
        let (address, end) = &self.ear;
        end.cancel();
        std::fs::remove_file(self.directory.path().join("..data")).unwrap();
        until("nobody listens", || async {
            tokio::net::TcpStream::connect(address).await.is_err()
        })
        .await;
    }

    pub fn generation(&self) -> Generation {
        self.world.state.keyring.current().generation
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An acknowledgement (without reasons) or a refusal (with nothing else).
#[derive(Debug, Clone)]
pub struct Said {
    pub generation: Generation,
    pub accepted: Vec<AcceptedKid>,
    pub in_use: Vec<AcceptedKid>,
    pub draining: Vec<AcceptedKid>,
    pub pepper_hashes: Vec<(String, u64)>,
    pub reasons: Vec<String>,
}

impl Said {
    pub fn accepts(&self, kid: &str) -> bool {
        self.accepted.iter().any(|entry| entry.kid.as_str() == kid)
    }

    /// The one kid of `key` that is in use.
    pub fn uses(&self, key: KeyName) -> &str {
        let mut of_key = self.in_use.iter().filter(|used| used.key == key);
        let (Some(used), None) = (of_key.next(), of_key.next()) else {
            panic!("not one version of {key}: {self:?}")
        };
        used.kid.as_str()
    }

    pub fn drains(&self, kid: &str) -> bool {
        self.draining.iter().any(|entry| entry.kid.as_str() == kid)
    }
}

impl From<Ack> for Said {
    fn from(ack: Ack) -> Self {
        let mut said = Self {
            generation: ack.generation,
            accepted: Vec::new(),
            in_use: Vec::new(),
            draining: Vec::new(),
            pepper_hashes: Vec::new(),
            reasons: Vec::new(),
        };
        match ack.verdict {
            Verdict::Nack { reasons } => said.reasons = reasons,
            Verdict::Ack {
                accepted,
                in_use,
                draining,
                pepper_hashes,
            } => {
                said.accepted = accepted;
                said.in_use = in_use;
                said.draining = draining;
                let pair =
                    |hashes: erpgo_secret_set::PepperHashes| (hashes.kid.to_string(), hashes.count);
                said.pepper_hashes = pepper_hashes.into_iter().map(pair).collect();
            }
        }
        said
    }
}

fn versions(keys: &mut Keys, key: KeyName) -> &mut RotatingKey {
    match key {
        KeyName::Jwt => &mut keys.jwt,
        KeyName::Refresh => &mut keys.refresh,
        KeyName::Pepper => &mut keys.pepper,
        KeyName::Database => &mut keys.database,
        KeyName::Redis => keys.redis.as_mut().unwrap(),
    }
}

/// `next` is accepted from now on.
pub fn stage(keys: &mut Keys, key: KeyName, next: Version) {
    versions(keys, key).next = Some(next);
}

/// `next` becomes current, current becomes previous.
pub fn promote(keys: &mut Keys, key: KeyName) {
    let key = versions(keys, key);
    let next = key.next.take().unwrap();
    key.previous = Some(std::mem::replace(&mut key.current, next));
}

/// `previous` is refused from now on.
pub fn retire(keys: &mut Keys, key: KeyName) {
    versions(keys, key).previous = None;
}

/// A version with a value that no other has.
pub fn fresh(kid: &str) -> Version {
    version(
        kid,
        document("postgres://x:y@h/d", None).keys.jwt.current.value,
    )
}

pub fn version(kid: &str, value: Secret) -> Version {
    Version {
        kid: kid.to_owned().try_into().unwrap(),
        created_at: jiff::Timestamp::now(),
        not_after: None,
        value,
    }
}

/// A version of a URL.
pub fn url(kid: &str, url: &str) -> Version {
    version(kid, Secret::new(url.to_owned()))
}

/// Two roles that take turns, set up as docs/guides/database-roles.md says; the URL of each.
pub async fn two_roles(database: &TestDatabase) -> [String; 2] {
    let owner = user(&database.url());
    let mut admin = sqlx::PgConnection::connect(&database.admin_url())
        .await
        .unwrap();
    let mut urls = [database.role().await, database.role().await];
    for url in &mut urls {
        let role = user(url);
        let acts_as = format!("GRANT {owner} TO {role}; ALTER ROLE {role} SET role = '{owner}'");
        sql(&mut admin, &acts_as).await;
    }
    urls
}

pub fn user(url: &str) -> String {
    url::Url::parse(url).unwrap().username().to_owned()
}
