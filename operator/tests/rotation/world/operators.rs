//! What the two operators see, and what they do with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use erpgo_operator::rotation::{
    Decision, DocumentView, Edit, ErrandView, LoginKey, Logins, PodView, Policy, Record, Redis,
    Request, Revocation, Situation, Triggers, Write, decide,
};
use erpgo_secret_set::{
    Document, KeyName, NewValue, RedisUrl, Secret, abort, join, leave, prepare, promote, retire,
    revoke, stage,
};

use jiff::{SignedDuration, Timestamp};

use super::pod::Pod;
use super::{CANARY, DAY, World};
use crate::server::Server;

/// What one operator knows; it acts on this however old it is.
#[derive(Clone)]
pub(crate) struct Sight {
    operator: usize,
    document: DocumentView,
    revision: u64,
    record: Record,
    pods: Vec<PodView>,
    errands: Vec<ErrandView>,
}

impl World {
    fn policy(&self) -> Policy {
        Policy {
            paused: self.paused,
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
            operator,
            document: self.views[at].clone(),
            revision: u64::try_from(at).unwrap(),
            record: self.record.clone(),
            pods: self.pods.iter().map(view).collect(),
            errands: self.servers.values().flat_map(Server::seen).collect(),
        });
    }

    /// The time by the clock of `operator`.
    fn clock(&self, operator: usize) -> Timestamp {
        let ahead = SignedDuration::from_secs(self.clocks[operator]);
        self.now.saturating_add(ahead).unwrap()
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
        let of = |(key, server): (&LoginKey, &Server)| (*key, server.logins(&sight.document));
        let mut logins: BTreeMap<LoginKey, Logins> = self.servers.iter().map(of).collect();
        let mut offered = self.offered.clone();
        // Whose passwords they are, and where another URL is, the spec says.
        if !self.wants_redis {
            logins.remove(&LoginKey::Redis);
            offered.remove(&KeyName::Redis);
        }
        offered.extend(logins.keys().map(|key| key.key()));
        decide(&Situation {
            document: &sight.document,
            pods: &sight.pods,
            record: &sight.record,
            policy: &self.policy(),
            triggers: &triggers,
            offered: &offered,
            changed: &BTreeSet::new(),
            redis: self.redis(&sight.document),
            logins: &logins,
            errands: &sight.errands,
            now: self.clock(sight.operator),
        })
    }

    fn redis(&self, document: &DocumentView) -> Redis {
        let is_there = document.keys.contains_key(&KeyName::Redis);
        match (self.wants_redis, is_there) {
            (true, false) => Redis::Joins,
            (false, true) => Redis::Leaves,
            (true, true) | (false, false) => Redis::Agrees,
        }
    }

    fn note_revocation(&mut self) {
        let asked = self.revoke.as_deref().map(Revocation::parse);
        let asked = asked.and_then(Result::ok);
        self.revoked.extend(asked.map(|revocation| revocation.kid));
    }

    /// All goes well for `count` rounds of `seconds`; how many writes that took.
    pub(crate) fn rounds(&mut self, count: usize, seconds: u64) -> usize {
        (0..count).map(|_| self.round(seconds, None)).sum()
    }

    /// All goes well for `count` rounds of a second, but that nobody can reach the pod `silent`.
    pub(crate) fn rounds_without(&mut self, silent: usize, count: usize) -> usize {
        (0..count).map(|_| self.round(1, Some(silent))).sum()
    }

    /// All goes well, and the operator makes at most `writes` writes. Returns how many it made.
    pub(crate) fn step(&mut self, writes: usize) -> usize {
        self.all_well();
        self.look(0, 0);
        self.act(0, writes)
    }

    /// All goes well, and the operator makes `count` writes, one at a time.
    pub(crate) fn write_by_write(&mut self, count: usize) {
        for _ in 0..count {
            self.step(1);
        }
    }

    /// One `step` after another, until it `is_so`.
    pub(crate) fn until(
        &mut self,
        step: impl Fn(&mut Self) -> usize,
        is_so: impl Fn(&Self) -> bool,
    ) {
        for _ in 0..20 {
            step(self);
            if is_so(self) {
                return;
            }
        }
        panic!("it does not come to that: {:?}", self.record);
    }

    fn round(&mut self, seconds: u64, silent: Option<usize>) -> usize {
        self.all_well();
        if let Some(pod) = silent {
            self.silence(pod);
        }
        self.pass_time(seconds);
        self.look(0, 0);
        let writes = self.act(0, 9);
        self.check();
        writes
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
        self.check_decision(&sight.record, &decision);
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
        // A Job is made on the generation that it was decided on, or not at all.
        let fresh = sight.document.generation == self.view().generation;
        for errand in decision.errands.iter().filter(|_| fresh) {
            let server = self.servers.get_mut(&errand.key).unwrap();
            if !server.lacks(errand) {
                continue;
            }
            if made == writes {
                return made;
            }
            server.make(errand);
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
        self.check_edit(&write.edit, &sight.record);
        let document = self.document.take().unwrap();
        let edited = self.edit(document, &write.edit, self.clock(sight.operator));
        assert_eq!(edited.generation, write.on.next());
        self.views.push(DocumentView::from(&edited));
        self.document = Some(edited);
        self.last_write = Some(id);
        self.backend_writes += 1;
        true
    }

    fn edit(&mut self, document: Document, edit: &Edit, now: Timestamp) -> Document {
        let number = self.backend_writes;
        let new = |key: KeyName| {
            let value = Secret::new(format!("{CANARY}-{key}-{number}"));
            NewValue { key, value }
        };
        match edit {
            Edit::Prepare(key, login) => {
                let prepared = prepare(document, new(*key), now);
                let server = LoginKey::of(*key).and_then(|key| self.servers.get_mut(&key));
                server.unwrap().draw(&prepared.prepared[key].kid, login);
                prepared
            }
            Edit::Stage(keys) => {
                let waits = |key: &KeyName| document.prepared.contains_key(key);
                let (ready, drawn): (Vec<_>, Vec<_>) = keys.iter().copied().partition(waits);
                let drawn = drawn.into_iter().map(new).collect();
                stage(document, &ready, drawn, now)
            }
            Edit::Promote(keys) => promote(document, keys),
            Edit::Retire(keys) => retire(document, keys),
            Edit::Abort(keys) => abort(document, keys),
            Edit::Revoke(key, kid) => revoke(document, *key, kid),
            Edit::Join => {
                let joined = join(document, RedisUrl(new(KeyName::Redis).value), now);
                let kid = joined.keys.redis.as_ref().unwrap().current.kid.clone();
                if let Some(server) = self.servers.get_mut(&LoginKey::Redis) {
                    server.admit(&kid);
                }
                if self.wrong_url {
                    self.wrong.insert(kid);
                }
                joined
            }
            Edit::Leave => leave(document),
        }
    }
}
