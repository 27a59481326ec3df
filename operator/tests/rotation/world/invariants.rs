//! What must hold, against what the pods truly hold and not what they said.

use std::collections::BTreeSet;

use erpgo_operator::rotation::log::append;
use erpgo_operator::rotation::{Decision, DocumentView, Edit, LoginKey, Record, Step};
use erpgo_secret_set::KeyName;
use jiff::Timestamp;

use super::World;
use super::pod::Pod;
use crate::server::Server;

impl World {
    // I-03.
    pub(super) fn check_edit(&mut self, edit: &Edit, record: &Record) {
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
            Edit::Retire(keys) => self.check_retire(keys, &view),
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
            Edit::Stage(keys) => {
                for (login, server) in self.servers_of(keys) {
                    let ready = view.keys[&login.key()].prepared.as_ref();
                    let ready = ready.is_some_and(|next| server.lets_in(&next.kid));
                    assert!(ready, "{login} is staged without a password");
                }
            }
            Edit::Join => {
                assert!(self.wants_redis, "nobody asks for Redis");
                let there = view.keys.contains_key(&KeyName::Redis);
                assert!(!there, "what is there is overwritten");
            }
            Edit::Leave => {
                let active = record.active.as_ref();
                let refused =
                    active.is_some_and(|active| active.joins() && active.step == Step::Abort);
                let current = &view.keys[&KeyName::Redis].current.kid;
                let revocation = Some(format!("{}/{current}", KeyName::Redis));
                // It stands until the version is gone.
                let revoked = self.revoke == revocation;
                let unwanted = !self.wants_redis && (!self.paused || revoked);
                assert!(refused || unwanted, "Redis is taken away: {record:?}");
                self.has_left = true;
            }
            Edit::Prepare(..) | Edit::Abort(_) => {}
        }
    }

    fn check_retire(&self, keys: &[KeyName], view: &DocumentView) {
        for (login, server) in self.servers_of(keys) {
            let old = &view.keys[&login.key()].previous.as_ref().unwrap().kid;
            assert!(
                !server.turns(old) || !server.lets_in(old),
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
            let hashes = self.hashes.get(old).copied().unwrap_or(0);
            assert_eq!(hashes, 0, "hashes are lost");
        }
    }

    pub(super) fn check_decision(&self, before: &Record, decision: &Decision) {
        let told = told(decision);
        assert!(!self.has_a_value(&told), "I-04: a decision tells a value");
        let begun = decision.record.active.as_ref();
        let begun = begun.filter(|_| self.paused && before.active.is_none());
        let known = |reason| decision.notes.iter().any(|note| note.reason == reason);
        assert!(
            begun.is_none_or(|active| active.revoke || known("RotationResumed")),
            "paused, and yet it begins: {begun:?}"
        );
        let writes = decision.write.is_some() || !decision.errands.is_empty();
        let idle = !writes && decision.record == *before;
        assert!(
            !idle || decision.record.active.is_none() || decision.wait.is_some(),
            "it does nothing and waits for nothing: {decision:?}"
        );
    }

    fn has_a_value(&self, text: &str) -> bool {
        self.values.iter().any(|value| text.contains(value))
    }

    /// Whether the search finds each value where it lies.
    pub(crate) fn knows_every_value(&self) -> bool {
        let mut versions = self.document.iter().flat_map(|set| set.keys.versions());
        versions.all(|(_, _, version)| self.has_a_value(version.value.expose_secret()))
    }

    fn servers_of(&self, keys: &[KeyName]) -> impl Iterator<Item = (LoginKey, &Server)> {
        let keys = keys.iter().filter_map(|key| LoginKey::of(*key));
        keys.filter_map(|key| Some((key, self.servers.get(&key)?)))
    }

    pub(super) fn serving(&self) -> impl Iterator<Item = &Pod> {
        self.pods.iter().filter(|pod| pod.holds.is_some())
    }

    pub(crate) fn check(&mut self) {
        let view = self.view().clone();
        for login in LoginKey::ALL {
            let key = view.keys.get(&login.key());
            assert!(
                key.is_none_or(|key| self.connects(login, &key.current.kid)),
                "{key:?} is current and does not connect"
            );
        }
        let settled = |key: &KeyName| {
            let current = view.keys.get(key).map(|view| &view.current.kid);
            self.serving().all(|pod| pod.signs(*key) == current)
        };
        let healed: Vec<KeyName> = self.hasty.iter().copied().filter(settled).collect();
        for key in healed {
            self.hasty.remove(&key);
        }
        let exempt =
            |key: &KeyName| self.hasty.contains(key) || self.has_left && *key == KeyName::Redis;
        for key in KeyName::ALL.iter().filter(|key| !exempt(key)) {
            let signed: BTreeSet<_> = self.serving().filter_map(|pod| pod.signs(*key)).collect();
            assert!(signed.len() <= 2, "{key} is signed with {signed:?}");
            self.check_signed(*key, &view);
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

    // A pod that takes up the latest set signs with what is current, which is previous after a promotion and
    // goes when nobody signs with it any more, or in haste: a key of which that is so, and Redis once it
    // has left, are not asked about. One pod is exempt: its sidecar had rendered before its app began, and
    // nobody could know that it would sign with that. It learns better when its sidecar has read again.
    fn check_signed(&self, key: KeyName, latest: &DocumentView) {
        let view = latest.keys.get(&key).into_iter();
        let known = view.flat_map(|view| std::iter::once(&view.current).chain(&view.previous));
        let known: Vec<_> = known.map(|version| &version.kid).collect();
        for pod in self.serving().filter(|pod| !pod.belated) {
            let kid = pod.signs(key);
            assert!(
                kid.is_none_or(|kid| known.contains(&kid)),
                "I-03: {} signs with {kid:?}, and {key} has {known:?}",
                pod.name
            );
        }
    }
}

fn pairs<'a>(keys: &'a [KeyName], pods: &'a [Pod]) -> impl Iterator<Item = (&'a KeyName, &'a Pod)> {
    let serving = pods.iter().filter(|pod| pod.holds.is_some());
    serving.flat_map(move |pod| keys.iter().map(move |key| (key, pod)))
}

// Everything that is made of a decision: itself, the status and the log.
fn told(decision: &Decision) -> String {
    let status = decision.record.to_status();
    let log = append(&[], &decision.notes, Timestamp::UNIX_EPOCH).unwrap_or_default();
    let log = serde_json::to_string(&log).unwrap();
    format!("{decision:?} {status:?} {log}")
}
