//! One pod: what its app works with, what its sidecar has rendered, and what it says.

use std::collections::{BTreeMap, BTreeSet};

use erpgo_operator::rotation::{DocumentView, KeyView};
use erpgo_secret_set::{
    AcceptedKid, Ack, BackendState, Generation, KeyName, Kid, PepperHashes, PodState, Verdict,
};

pub(crate) struct Pod {
    pub(super) name: String,
    /// What its app works with.
    pub(crate) holds: Option<DocumentView>,
    /// What its sidecar has rendered.
    pub(super) rendered: Option<DocumentView>,
    /// What it last said to anybody who asks.
    pub(super) told: Option<PodState>,
    pub(crate) ready: bool,
    pub(super) terminating: bool,
    pub(crate) stubborn: bool,
    /// Its app began with a set that was not the latest any more, and has taken up none since.
    pub(super) belated: bool,
    pub(super) drains: BTreeSet<Kid>,
}

impl Pod {
    pub(super) fn new(serial: usize) -> Self {
        Self {
            name: format!("pod-{serial}"),
            holds: None,
            rendered: None,
            told: Some(state(None, None)),
            ready: false,
            terminating: false,
            stubborn: false,
            belated: false,
            drains: BTreeSet::new(),
        }
    }

    fn key(&self, key: KeyName) -> Option<&KeyView> {
        self.holds.as_ref()?.keys.get(&key)
    }

    pub(crate) fn signs(&self, key: KeyName) -> Option<&Kid> {
        self.key(key).map(|view| &view.current.kid)
    }

    pub(super) fn accepts(&self, key: KeyName, kid: &Kid) -> bool {
        let versions = self.key(key).into_iter().flat_map(KeyView::versions);
        versions.into_iter().any(|version| version.kid == *kid)
    }

    pub(super) fn take(&mut self, view: DocumentView) {
        for key in [KeyName::Database, KeyName::Redis] {
            let old = self.signs(key).cloned();
            let new = view.keys.get(&key).map(|view| &view.current.kid);
            if let Some(old) = old.filter(|old| Some(old) != new) {
                self.drains.insert(old);
            }
        }
        self.holds = Some(view);
    }

    pub(super) fn tell(&mut self, hashes: &BTreeMap<Kid, u64>) {
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
