//! Backend, status, pods and operators, each as simple as it can be and still go wrong.
//!
//! Owns what is there and what happens to it by itself. [`pod`] is one pod, [`operators`] what the two
//! operators see and do, [`invariants`] what must hold after each event.

mod invariants;
mod operators;
mod pod;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use erpgo_operator::rotation::{DocumentView, ErrandState, LoginKey, Record};
use erpgo_secret_set::{DatabaseUrl, Document, KeyName, Kid, RedisUrl, Secret, first_generation};
use jiff::Timestamp;

use crate::server::Server;
use operators::Sight;
use pod::Pod;

pub(crate) const DAY: u64 = 86_400;
/// In every value that is drawn; in no name and no kid.
const CANARY: &str = "canary";

pub(crate) struct World {
    document: Option<Document>,
    pub(crate) views: Vec<DocumentView>,
    last_write: Option<(String, String)>,
    pub(crate) backend_writes: usize,
    pub(crate) record: Record,
    pub(crate) pods: Vec<Pod>,
    pub(crate) sights: [Option<Sight>; 2],
    pub(crate) now: Timestamp,
    /// By how many seconds each operator's clock is ahead.
    pub(crate) clocks: [i64; 2],
    /// `spec.secrets.rotation.paused`.
    pub(crate) paused: bool,
    pub(crate) rotate: Option<String>,
    pub(crate) revoke: Option<String>,
    pub(crate) offered: BTreeSet<KeyName>,
    /// Whether there is a `spec.redis`.
    pub(crate) wants_redis: bool,
    /// Whether the URL in its Secret is one with which nobody gets in.
    pub(crate) wrong_url: bool,
    /// Versions that joined with such a URL.
    wrong: BTreeSet<Kid>,
    /// Whether Redis has ever left: who still holds it then is not waited for.
    has_left: bool,
    hashes: BTreeMap<Kid, u64>,
    /// Where two logins take turns.
    pub(crate) servers: BTreeMap<LoginKey, Server>,
    /// What somebody ever wanted gone.
    revoked: BTreeSet<Kid>,
    scheduled: Vec<KeyName>,
    // Keys of which something was revoked while pods still held it.
    hasty: BTreeSet<KeyName>,
    /// What no decision may tell.
    values: Vec<String>,
    serial: usize,
}

impl World {
    pub(crate) fn new(pods: usize) -> Self {
        let random: [u8; 192] = std::array::from_fn(|i| u8::try_from(i).unwrap());
        let url = |text: &str| Secret::new(text.into());
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let database = DatabaseUrl(url("postgres://u:canary@h/d"));
        let redis = RedisUrl(url("redis://u:canary@h"));
        let document = first_generation(&random, now, database, Some(redis));
        let view = DocumentView::from(&document);
        let pepper = view.keys[&KeyName::Pepper].current.kid.clone();
        let mut world = Self {
            values: first_values(&document),
            document: Some(document),
            views: vec![view],
            last_write: None,
            backend_writes: 0,
            record: Record::default(),
            pods: Vec::new(),
            sights: [None, None],
            now,
            clocks: [0, 0],
            paused: false,
            rotate: None,
            revoke: None,
            offered: KeyName::ALL.into(),
            wants_redis: true,
            wrong_url: false,
            wrong: BTreeSet::new(),
            has_left: false,
            hashes: BTreeMap::from([(pepper, 3)]),
            servers: BTreeMap::new(),
            revoked: BTreeSet::new(),
            scheduled: vec![KeyName::Jwt, KeyName::Refresh, KeyName::Pepper],
            hasty: BTreeSet::new(),
            serial: 0,
        };
        for _ in 0..pods {
            world.birth();
            let last = world.pods.len() - 1;
            world.render(last);
            world.start(last);
        }
        world
    }

    /// A world in which two logins take turns at each of `keys`.
    pub(crate) fn with_turns(pods: usize, keys: &[LoginKey]) -> Self {
        let mut world = Self::new(pods);
        for key in keys {
            world.first_login(*key, "erp_a");
            world.scheduled.push(key.key());
        }
        world
    }

    /// The first URL of `key` logs in as `login`.
    pub(crate) fn first_login(&mut self, key: LoginKey, login: &str) {
        let kid = self.view().keys[&key.key()].current.kid.clone();
        self.servers.insert(key, Server::new(key, kid, login));
    }

    /// Whether a new connection with the version `kid` of `key` is let in.
    fn connects(&self, key: LoginKey, kid: &Kid) -> bool {
        let server = self.servers.get(&key);
        server.is_none_or(|server| server.lets_in(kid))
    }

    /// Each Job that runs comes to its end.
    pub(crate) fn run_jobs(&mut self, well: bool) {
        for key in LoginKey::ALL {
            self.run_jobs_of(key, well);
        }
    }

    /// Each Job of `key` that runs comes to its end.
    pub(crate) fn run_jobs_of(&mut self, key: LoginKey, well: bool) {
        let server = self.servers.get_mut(&key);
        let done = server.map(|server| server.run(well));
        for kid in done.into_iter().flatten() {
            let used = |pod: &Pod| pod.signs(key.key()) == Some(&kid);
            if self.serving().any(used) {
                assert!(self.revoked.contains(&kid), "I-03: {kid} is in use");
                self.hasty.insert(key.key());
            }
        }
    }

    /// Jobs that have ended go after a while.
    pub(crate) fn forget_jobs(&mut self) {
        for server in self.servers.values_mut() {
            server.forget(|_| true);
        }
    }

    pub(crate) fn view(&self) -> &DocumentView {
        self.views.last().unwrap()
    }

    /// The kid of the current version of `key`.
    pub(crate) fn current(&self, key: KeyName) -> String {
        self.view().keys[&key].current.kid.to_string()
    }

    pub(crate) fn birth(&mut self) {
        self.serial += 1;
        self.pods.push(Pod::new(self.serial));
    }

    pub(crate) fn terminate(&mut self, pod: usize) {
        if let Some(pod) = self.pods.get_mut(pod) {
            pod.terminating = true;
        }
    }

    pub(crate) fn gone(&mut self, pod: usize) {
        if pod < self.pods.len() {
            self.pods.remove(pod);
        }
    }

    /// The sidecar reads; a running app takes it up, or refuses it.
    pub(crate) fn render(&mut self, pod: usize) {
        let view = self.view().clone();
        // The app tries each new login before it takes a generation up.
        let lets_in = LoginKey::ALL.into_iter().all(|login| {
            let Some(key) = view.keys.get(&login.key()) else {
                return true;
            };
            let held = self.pods.get(pod).and_then(|pod| pod.signs(login.key()));
            key.versions().all(|version| {
                let kid = &version.kid;
                let old = key.previous.as_ref() == Some(version);
                let right = held == Some(kid) || !self.wrong.contains(kid);
                old || right && self.connects(login, kid)
            })
        });
        let Some(pod) = self.pods.get_mut(pod) else {
            return;
        };
        pod.rendered = Some(view.clone());
        if pod.holds.is_some() && !pod.stubborn && lets_in {
            pod.belated = false;
            pod.take(view);
        }
    }

    /// The app of a pod that begins loads what is rendered.
    pub(crate) fn start(&mut self, pod: usize) {
        let latest = self.view().generation;
        if let Some(pod) = self.pods.get_mut(pod)
            && let Some(rendered) = pod.rendered.clone()
        {
            pod.belated = rendered.generation < latest;
            pod.take(rendered);
            pod.ready = !pod.terminating;
            self.tell_all();
        }
    }

    fn tell_all(&mut self) {
        for pod in 0..self.pods.len() {
            self.tell(pod);
        }
    }

    pub(crate) fn tell(&mut self, pod: usize) {
        let hashes = self.hashes.clone();
        if let Some(pod) = self.pods.get_mut(pod) {
            pod.tell(&hashes);
        }
    }

    /// Nobody can reach the pod.
    pub(crate) fn silence(&mut self, pod: usize) {
        if let Some(pod) = self.pods.get_mut(pod) {
            pod.told = None;
        }
    }

    pub(crate) fn drain(&mut self, pod: usize) {
        if let Some(pod) = self.pods.get_mut(pod) {
            pod.drains.clear();
        }
    }

    /// Somebody logs in: the hash moves to the pepper of the pod that serves it.
    pub(crate) fn login(&mut self, pod: usize) {
        let Some(view) = self.pods.get(pod).and_then(|pod| pod.holds.as_ref()) else {
            return;
        };
        let current = view.keys[&KeyName::Pepper].current.kid.clone();
        let mut others = self.hashes.iter_mut().filter(|(kid, _)| **kid != current);
        if let Some((_, count)) = others.find(|(_, count)| **count > 0) {
            *count -= 1;
            *self.hashes.entry(current).or_default() += 1;
        }
    }

    pub(crate) fn hashes_of(&self, pepper: &Kid) -> u64 {
        self.hashes.get(pepper).copied().unwrap_or(0)
    }

    /// Everything goes well from here on. Returns whether it comes to rest.
    pub(crate) fn settle(&mut self) -> bool {
        self.sights = [None, None];
        self.paused = false;
        self.wrong_url = false;
        self.wrong.clear();
        // Otherwise the next round of the schedule may begin at the end.
        self.scheduled.clear();
        for pod in &mut self.pods {
            pod.stubborn = false;
        }
        let going: Vec<usize> = (0..self.pods.len())
            .rev()
            .filter(|pod| self.pods[*pod].terminating)
            .collect();
        for pod in going {
            self.gone(pod);
        }
        if self.pods.is_empty() {
            self.birth();
        }
        for round in 0..500 {
            self.all_well();
            for server in self.servers.values_mut() {
                server.forget(|state| matches!(state, ErrandState::Failed { .. }));
            }
            // Long enough for every grace, short enough for the interval not to come round. Between two leaps there
            // is time for a revocation to be tried again and to end: a leap ends what waits for a Job.
            let wait = if round % 20 == 19 { 12 * 3600 } else { 10 };
            self.pass_time(wait);
            self.look(0, 0);
            self.act(0, 9);
            self.check();
        }
        self.all_well();
        self.look(0, 0);
        self.act(0, 9) == 0
    }

    pub(crate) fn pass_time(&mut self, seconds: u64) {
        self.now = self
            .now
            .saturating_add(Duration::from_secs(seconds))
            .unwrap();
    }

    pub(crate) fn all_well(&mut self) {
        self.run_jobs(true);
        for pod in 0..self.pods.len() {
            self.render(pod);
            if !self.pods[pod].ready {
                self.start(pod);
            }
            self.drain(pod);
        }
        for pod in 0..self.pods.len() {
            for _ in 0..3 {
                self.login(pod);
            }
        }
        self.tell_all();
    }
}

fn first_values(document: &Document) -> Vec<String> {
    let versions = document.keys.versions();
    let values = versions.map(|(_, _, version)| version.value.expose_secret().to_owned());
    values.chain([CANARY.to_owned()]).collect()
}
