//! Backend, status, pods and operators, each as simple as it can be and still go wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use erpgo_operator::rotation::{
    Decision, DocumentView, Edit, ErrandState, ErrandView, KeyView, PodView, Policy, Record,
    Request, Revocation, Situation, Triggers, Write, decide,
};
use erpgo_secret_set::{
    AcceptedKid, Ack, BackendState, DatabaseUrl, Document, Generation, KeyName, Kid, NewValue,
    PepperHashes, PodState, RedisUrl, Secret, Verdict, abort, first_generation, prepare, promote,
    retire, revoke, stage,
};
use jiff::Timestamp;

use crate::database::Database;

pub(crate) const DAY: u64 = 86_400;

pub(crate) struct Pod {
    name: String,
    /// What its app works with.
    pub(crate) holds: Option<DocumentView>,
    /// What its sidecar has rendered.
    rendered: Option<DocumentView>,
    /// What it last said to anybody who asks.
    told: Option<PodState>,
    pub(crate) ready: bool,
    terminating: bool,
    pub(crate) stubborn: bool,
    drains: BTreeSet<Kid>,
}

/// What one operator knows; it acts on this however old it is.
#[derive(Clone)]
pub(crate) struct Sight {
    document: DocumentView,
    revision: u64,
    record: Record,
    pods: Vec<PodView>,
    errands: Vec<ErrandView>,
}

pub(crate) struct World {
    document: Option<Document>,
    pub(crate) views: Vec<DocumentView>,
    last_write: Option<(String, String)>,
    pub(crate) backend_writes: usize,
    pub(crate) record: Record,
    pub(crate) pods: Vec<Pod>,
    pub(crate) sights: [Option<Sight>; 2],
    pub(crate) now: Timestamp,
    pub(crate) rotate: Option<String>,
    pub(crate) revoke: Option<String>,
    pub(crate) offered: BTreeSet<KeyName>,
    hashes: BTreeMap<Kid, u64>,
    /// Set where two roles take turns at the database.
    pub(crate) database: Option<Database>,
    /// What somebody ever wanted gone.
    revoked: BTreeSet<Kid>,
    scheduled: Vec<KeyName>,
    // Keys of which something was revoked while pods still held it.
    hasty: BTreeSet<KeyName>,
    serial: usize,
}

impl World {
    pub(crate) fn new(pods: usize) -> Self {
        let random: [u8; 192] = std::array::from_fn(|i| u8::try_from(i).unwrap());
        let url = |text: &str| Secret::new(text.into());
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let database = DatabaseUrl(url("postgres://u:p@h/d"));
        let document = first_generation(&random, now, database, Some(RedisUrl(url("redis://h"))));
        let view = DocumentView::from(&document);
        let pepper = view.keys[&KeyName::Pepper].current.kid.clone();
        let mut world = Self {
            document: Some(document),
            views: vec![view],
            last_write: None,
            backend_writes: 0,
            record: Record::default(),
            pods: Vec::new(),
            sights: [None, None],
            now,
            rotate: None,
            revoke: None,
            offered: KeyName::ALL.into(),
            hashes: BTreeMap::from([(pepper, 3)]),
            database: None,
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

    /// A world in which two roles take turns at the database.
    pub(crate) fn with_roles(pods: usize) -> Self {
        let mut world = Self::new(pods);
        world.first_role("erp_a");
        world.scheduled.push(KeyName::Database);
        world
    }

    /// The first URL logs in as `role`.
    pub(crate) fn first_role(&mut self, role: &str) {
        let kid = self.view().keys[&KeyName::Database].current.kid.clone();
        self.database = Some(Database::new(kid, role));
    }

    /// Whether a new connection with the version `kid` of the database's URL is let in.
    fn connects(&self, kid: &Kid) -> bool {
        let mut databases = self.database.iter();
        databases.all(|database| database.lets_in(kid))
    }

    /// Each Job that runs comes to its end.
    pub(crate) fn run_jobs(&mut self, well: bool) {
        let done = self.database.as_mut().map(|database| database.run(well));
        for kid in done.into_iter().flatten() {
            let used = |pod: &Pod| pod.signs(KeyName::Database) == Some(&kid);
            if self.serving().any(used) {
                assert!(self.revoked.contains(&kid), "I-03: {kid} is in use");
                self.hasty.insert(KeyName::Database);
            }
        }
    }

    /// Jobs that have ended go after a while.
    pub(crate) fn forget_jobs(&mut self) {
        if let Some(database) = &mut self.database {
            database.forget(|_| true);
        }
    }

    pub(crate) fn view(&self) -> &DocumentView {
        self.views.last().unwrap()
    }

    pub(crate) fn birth(&mut self) {
        self.serial += 1;
        self.pods.push(Pod {
            name: format!("pod-{}", self.serial),
            holds: None,
            rendered: None,
            told: Some(state(None, None)),
            ready: false,
            terminating: false,
            stubborn: false,
            drains: BTreeSet::new(),
        });
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
        let key = &view.keys[&KeyName::Database];
        let lets_in = key.versions().all(|version| {
            let old = key.previous.as_ref() == Some(version);
            old || self.connects(&version.kid)
        });
        let Some(pod) = self.pods.get_mut(pod) else {
            return;
        };
        pod.rendered = Some(view.clone());
        if pod.holds.is_some() && !pod.stubborn && lets_in {
            pod.take(view);
        }
    }

    /// The app of a pod that begins loads what is rendered.
    pub(crate) fn start(&mut self, pod: usize) {
        if let Some(pod) = self.pods.get_mut(pod)
            && let Some(rendered) = pod.rendered.clone()
        {
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

    fn policy(&self) -> Policy {
        Policy {
            paused: false,
            interval: Duration::from_secs(90 * DAY),
            jwt_grace: Duration::from_secs(DAY),
            refresh_grace: Duration::from_secs(7 * DAY),
            scheduled: self.scheduled.clone(),
            seed: "5f0c6a52".into(),
        }
    }

    /// Reads everything; `behind` generations back where the backend is eventually consistent.
    pub(crate) fn look(&mut self, operator: usize, behind: usize) {
        let at = self.views.len().saturating_sub(1 + behind);
        let view = |pod: &Pod| PodView {
            name: pod.name.clone(),
            ready: pod.ready,
            terminating: pod.terminating,
            state: pod.told.clone(),
        };
        self.sights[operator] = Some(Sight {
            document: self.views[at].clone(),
            revision: u64::try_from(at).unwrap(),
            record: self.record.clone(),
            pods: self.pods.iter().map(view).collect(),
            errands: self.database.iter().flat_map(Database::seen).collect(),
        });
    }

    pub(crate) fn decide(&self, sight: &Sight) -> Decision {
        let triggers = Triggers {
            rotate: self
                .rotate
                .clone()
                .map(|text| (text.clone(), Request::parse(&text))),
            revoke: self
                .revoke
                .clone()
                .map(|text| (text.clone(), Revocation::parse(&text))),
        };
        let database = self.database.as_ref();
        let roles = database.map(|database| database.roles(&sight.document));
        let mut offered = self.offered.clone();
        offered.extend(roles.as_ref().map(|_| KeyName::Database));
        decide(&Situation {
            document: &sight.document,
            pods: &sight.pods,
            record: &sight.record,
            policy: &self.policy(),
            triggers: &triggers,
            offered: &offered,
            changed: &BTreeSet::new(),
            roles: roles.as_ref(),
            errands: &sight.errands,
            now: self.now,
        })
    }

    fn note_revocation(&mut self) {
        let asked = self.revoke.as_deref().map(Revocation::parse);
        let asked = asked.and_then(Result::ok);
        self.revoked.extend(asked.map(|revocation| revocation.kid));
    }

    /// Acts on what was seen; dies after `writes` writes. Returns how many it made.
    pub(crate) fn act(&mut self, operator: usize, writes: usize) -> usize {
        let Some(sight) = self.sights[operator].take() else {
            return 0;
        };
        self.note_revocation();
        let decision = self.decide(&sight);
        assert_eq!(
            decision,
            self.decide(&sight),
            "the same sight gives another decision"
        );
        let mut made = 0;
        if let Some(write) = &decision.write {
            let meant = |record: &Record| {
                let active = record.active.as_ref();
                active.map(|active| (active.id.clone(), active.step))
            };
            let known = meant(&sight.record);
            assert_eq!(
                meant(&decision.record),
                known,
                "I-10: a write before its intent"
            );
            if made == writes {
                return made;
            }
            made += usize::from(self.replace(&sight, write));
        }
        // The Job is made on the generation that it was decided on, or not at all.
        let fresh = sight.document.generation == self.view().generation;
        if let Some(errand) = decision.errand.as_ref().filter(|_| fresh)
            && let Some(database) = &mut self.database
            && database.lacks(errand)
        {
            if made == writes {
                return made;
            }
            database.make(errand);
            made += 1;
        }
        if decision.record != self.record {
            if made == writes {
                return made;
            }
            self.record = decision.record;
            made += 1;
        }
        made
    }

    fn replace(&mut self, sight: &Sight, write: &Write) -> bool {
        let id = (write.rotation.clone(), write.edit.step());
        let revision = u64::try_from(self.views.len()).unwrap() - 1;
        if self.last_write.as_ref() == Some(&id) || sight.revision != revision {
            return false;
        }
        assert_eq!(write.on, self.view().generation);
        self.check_edit(&write.edit);
        let document = self.document.take().unwrap();
        let edited = self.edit(document, &write.edit);
        assert_eq!(edited.generation, write.on.next());
        self.views.push(DocumentView::from(&edited));
        self.document = Some(edited);
        self.last_write = Some(id);
        self.backend_writes += 1;
        true
    }

    fn edit(&mut self, document: Document, edit: &Edit) -> Document {
        let number = self.backend_writes;
        let new = |key: KeyName| {
            let value = Secret::new(format!("{key}-{number}"));
            NewValue { key, value }
        };
        match edit {
            Edit::Prepare(key, role) => {
                let prepared = prepare(document, new(*key), self.now);
                let database = self.database.as_mut().unwrap();
                database.draw(&prepared.prepared[key].kid, role);
                prepared
            }
            Edit::Stage(keys) => {
                let waits = |key: &KeyName| document.prepared.contains_key(key);
                let (ready, drawn): (Vec<_>, Vec<_>) = keys.iter().copied().partition(waits);
                let drawn = drawn.into_iter().map(new).collect();
                stage(document, &ready, drawn, self.now)
            }
            Edit::Promote(keys) => promote(document, keys),
            Edit::Retire(keys) => retire(document, keys),
            Edit::Abort(keys) => abort(document, keys),
            Edit::Revoke(key, kid) => revoke(document, *key, kid),
        }
    }

    // I-03, against what the pods truly hold and not what they said.
    fn check_edit(&mut self, edit: &Edit) {
        let view = self.view().clone();
        match edit {
            Edit::Promote(keys) => {
                for (key, pod) in pairs(keys, &self.pods) {
                    let next = &view.keys[key].next.as_ref().unwrap().kid;
                    if pod.accepts(*key, next) {
                        continue;
                    }
                    let revoked = self.revoked.contains(&view.keys[key].current.kid);
                    assert!(revoked, "{} does not accept the next {key}", pod.name);
                    self.hasty.insert(*key);
                }
            }
            Edit::Retire(keys) => {
                if keys.contains(&KeyName::Database) && self.database.is_some() {
                    let old = &view.keys[&KeyName::Database].previous.as_ref().unwrap().kid;
                    let known = self.database.iter().any(|database| database.turns(old));
                    assert!(
                        !known || !self.connects(old),
                        "{old} goes and still connects"
                    );
                }
                for (key, pod) in pairs(keys, &self.pods) {
                    let current = &view.keys[key].current.kid;
                    assert!(
                        pod.signs(*key) == Some(current),
                        "I-03: {} uses an old {key}",
                        pod.name
                    );
                }
                if keys.contains(&KeyName::Pepper) {
                    let old = &view.keys[&KeyName::Pepper].previous.as_ref().unwrap().kid;
                    assert_eq!(
                        self.hashes.get(old).copied().unwrap_or(0),
                        0,
                        "hashes are lost"
                    );
                }
            }
            Edit::Revoke(key, kid) => {
                if view.keys[key]
                    .previous
                    .as_ref()
                    .is_none_or(|old| old.kid != *kid)
                    || self.serving().any(|pod| pod.signs(*key) == Some(kid))
                {
                    self.hasty.insert(*key);
                }
            }
            Edit::Stage(keys) if keys.contains(&KeyName::Database) => {
                let ready = view.keys[&KeyName::Database].prepared.as_ref();
                let ready = ready.is_some_and(|next| self.connects(&next.kid));
                assert!(
                    ready || self.database.is_none(),
                    "it is staged without a password"
                );
            }
            Edit::Prepare(..) | Edit::Stage(_) | Edit::Abort(_) => {}
        }
    }

    fn serving(&self) -> impl Iterator<Item = &Pod> {
        self.pods.iter().filter(|pod| pod.holds.is_some())
    }

    pub(crate) fn check(&mut self) {
        let view = self.view().clone();
        let current = &view.keys[&KeyName::Database].current.kid;
        assert!(
            self.connects(current),
            "{current} is current and does not connect"
        );
        let settled = |key: &KeyName| {
            self.serving()
                .all(|pod| pod.signs(*key) == Some(&view.keys[key].current.kid))
        };
        let healed: Vec<KeyName> = self.hasty.iter().copied().filter(settled).collect();
        for key in healed {
            self.hasty.remove(&key);
        }
        for key in KeyName::ALL.iter().filter(|key| !self.hasty.contains(key)) {
            let signed: BTreeSet<_> = self.serving().filter_map(|pod| pod.signs(*key)).collect();
            assert!(signed.len() <= 2, "{key} is signed with {signed:?}");
            for (kid, pod) in signed
                .iter()
                .flat_map(|kid| self.serving().map(move |pod| (kid, pod)))
            {
                assert!(
                    pod.accepts(*key, kid),
                    "{} refuses {kid}, which a live pod uses",
                    pod.name
                );
            }
        }
    }

    /// Everything goes well from here on. Returns whether it comes to rest.
    pub(crate) fn settle(&mut self) -> bool {
        self.sights = [None, None];
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
        for round in 0..80 {
            self.all_well();
            if let Some(database) = &mut self.database {
                database.forget(|state| matches!(state, ErrandState::Failed { .. }));
            }
            // Long enough for every grace, short enough for the interval not to come round.
            let wait = if round % 4 == 3 { 12 * 3600 } else { 1 };
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

fn pairs<'a>(keys: &'a [KeyName], pods: &'a [Pod]) -> impl Iterator<Item = (&'a KeyName, &'a Pod)> {
    let serving = pods.iter().filter(|pod| pod.holds.is_some());
    serving.flat_map(move |pod| keys.iter().map(move |key| (key, pod)))
}

fn state(rendered: Option<Generation>, acked: Option<Ack>) -> PodState {
    PodState {
        rendered_generation: rendered,
        acked,
        backend: BackendState {
            healthy: true,
            last_read_age_seconds: Some(0),
            stale_since: None,
            error_class: None,
        },
    }
}

impl Pod {
    fn key(&self, key: KeyName) -> Option<&KeyView> {
        self.holds.as_ref()?.keys.get(&key)
    }

    fn signs(&self, key: KeyName) -> Option<&Kid> {
        self.key(key).map(|view| &view.current.kid)
    }

    fn accepts(&self, key: KeyName, kid: &Kid) -> bool {
        let versions = self.key(key).into_iter().flat_map(KeyView::versions);
        versions.into_iter().any(|version| version.kid == *kid)
    }

    fn take(&mut self, view: DocumentView) {
        for key in [KeyName::Database, KeyName::Redis] {
            let old = self.signs(key).cloned();
            if let Some(old) = old.filter(|old| *old != view.keys[&key].current.kid) {
                self.drains.insert(old);
            }
        }
        self.holds = Some(view);
    }

    fn tell(&mut self, hashes: &BTreeMap<Kid, u64>) {
        let rendered = self.rendered.as_ref().map(|view| view.generation);
        let Some(holds) = &self.holds else {
            self.told = Some(state(rendered, None));
            return;
        };
        let refused = rendered.filter(|rendered| *rendered != holds.generation);
        let verdict = match refused {
            Some(_) => Verdict::Nack {
                reasons: vec!["no such login".into()],
            },
            None => ack(holds, &self.drains, hashes),
        };
        let generation = refused.unwrap_or(holds.generation);
        self.told = Some(state(
            rendered,
            Some(Ack {
                generation,
                verdict,
            }),
        ));
    }
}

fn ack(holds: &DocumentView, drains: &BTreeSet<Kid>, hashes: &BTreeMap<Kid, u64>) -> Verdict {
    let named = |key: KeyName, kid: &Kid| AcceptedKid {
        key,
        kid: kid.clone(),
    };
    let versions = holds
        .keys
        .iter()
        .flat_map(|(key, view)| view.versions().map(|v| (*key, &v.kid)));
    let pepper = holds.keys[&KeyName::Pepper].versions();
    let drained = |key: KeyName| {
        drains
            .iter()
            .filter(move |kid| kid.as_str().starts_with(key.as_str()))
            .map(move |kid| named(key, kid))
    };
    Verdict::Ack {
        accepted: versions.map(|(key, kid)| named(key, kid)).collect(),
        in_use: holds
            .keys
            .iter()
            .map(|(key, view)| named(*key, &view.current.kid))
            .collect(),
        draining: drained(KeyName::Database)
            .chain(drained(KeyName::Redis))
            .collect(),
        pepper_hashes: pepper
            .map(|version| PepperHashes {
                kid: version.kid.clone(),
                count: hashes.get(&version.kid).copied().unwrap_or(0),
            })
            .collect(),
    }
}
