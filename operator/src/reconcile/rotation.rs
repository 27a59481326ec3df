//! The rotation of secrets as a part of the plan.
//!
//! Owns the way from spec, annotations and observation to [`decide`], and from its decision to an
//! effect. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use erpgo_crds::ErpGoStatus;
use erpgo_secret_set::KeyName;
use jiff::Timestamp;

use super::build::credentials_job::ErrandRun;
use super::observed::{Observed, PodComponent, PodFacts};
use super::plan::Effect;
use super::redis;
use super::refused;
use super::valid::{ValidErpGo, ValidTurns};
use crate::audience::Audience;
pub use crate::rotation::ACCEPTANCE;
use crate::rotation::{
    Decision, DocumentView, Edit, Errand, HASTE, LoginKey, Logins, PodView, Policy, Record,
    Situation, Wait, decide,
};

/// Keys whose values the operator draws in any case.
const DRAWN: [KeyName; 3] = [KeyName::Jwt, KeyName::Refresh, KeyName::Pepper];

/// How long pods have to take up what is written, before it is looked at what they hold.
const PATIENCE: Duration = Duration::from_secs(5);

const HOUR: u64 = 3600;

/// What the secret set needs next; nothing without a valid one.
#[must_use]
pub fn rotation(
    app: &ValidErpGo,
    status: Option<&ErpGoStatus>,
    seen: &Observed,
    now: Timestamp,
) -> Option<Decision> {
    let document = seen.document.as_ref()?;
    let record = remembered(status);
    let logins = logins(app, seen);
    let mut changed = seen.changed.clone();
    let mut offered = BTreeSet::from(DRAWN);
    for key in logins.keys().map(|key| key.key()) {
        // Its source is the first URL only; every other one is drawn.
        changed.remove(&key);
        offered.insert(key);
    }
    offered.extend(&changed);
    let pods: Vec<PodView> = api_pods(seen).map(pod).collect();
    let mut policy = policy(app);
    policy.paused |= refused::waiting(seen).is_some();
    let decided = decide(&Situation {
        document,
        pods: &pods,
        record: &record,
        policy: &policy,
        triggers: &app.triggers,
        offered: &offered,
        changed: &changed,
        redis: redis::stands(app, seen),
        logins: &logins,
        errands: &seen.errands,
        now,
    });
    if refused::is_altered(seen) && waits(&decided, leaks(app, document)) {
        return Some(held(decided, status));
    }
    Some(decided)
}

// Each write makes a generation of what lies there, which every pod would then take up. What leaked does
// not wait for that, nor does what makes room for its revocation.
fn waits(decided: &Decision, leaks: bool) -> bool {
    let revokes = revokes(decided);
    let goes = |edit: &Edit| match edit {
        Edit::Revoke(..) => true,
        Edit::Abort(_) | Edit::Leave => revokes || leaks,
        _ => revokes,
    };
    let write = decided.write.as_ref();
    write.is_some_and(|write| !goes(&write.edit))
}

fn revokes(decided: &Decision) -> bool {
    let active = decided.record.active.as_ref();
    active.is_some_and(|active| active.revoke)
}

// Whether a version is there that is to be revoked.
fn leaks(app: &ValidErpGo, document: &DocumentView) -> bool {
    let asked = app.triggers.revoke.as_ref();
    let asked = asked.and_then(|(_, parsed)| parsed.as_ref().ok());
    asked.is_some_and(|asked| document.has(asked.key, &asked.kid))
}

fn held(decided: Decision, status: Option<&ErpGoStatus>) -> Decision {
    let message = "nothing is written while pods refuse the secret set".to_owned();
    Decision {
        write: None,
        wait: Some(Wait {
            message,
            fault: true,
        }),
        again: None,
        ..unlogged(decided, status)
    }
}

/// `decided` without what did not come to be or could not be logged: it is neither told nor remembered, so
/// that the next reconcile comes to it again.
#[must_use]
pub fn unlogged(decided: Decision, status: Option<&ErpGoStatus>) -> Decision {
    Decision {
        record: remembered(status),
        notes: Vec::new(),
        ..decided
    }
}

fn remembered(status: Option<&ErpGoStatus>) -> Record {
    Record::of(status.and_then(|status| status.rotation.as_ref()))
}

fn logins(app: &ValidErpGo, seen: &Observed) -> BTreeMap<LoginKey, Logins> {
    let of = |(key, turns): (&LoginKey, &ValidTurns)| {
        let logins = Logins {
            pair: turns.pair.clone(),
            of: seen.logins.get(key).cloned().unwrap_or_default(),
        };
        (*key, logins)
    };
    app.turns.iter().map(of).collect()
}

/// The write that `decided` asks for.
#[must_use]
pub fn effect(decided: Option<&Decision>, seen: &Observed) -> Option<Effect> {
    let decided = decided?;
    let write = decided.write.clone()?;
    let patience = if revokes(decided) || matches!(write.edit, Edit::Revoke(..)) {
        HASTE
    } else {
        PATIENCE
    };
    let (heard, silent): (Vec<_>, Vec<_>) = api_pods(seen).partition(|pod| pod.secrets.is_some());
    let addresses = |pods: Vec<&PodFacts>| pods.into_iter().filter_map(|pod| pod.ip).collect();
    let pods = Audience {
        heard: addresses(heard),
        silent: addresses(silent),
        patience,
    };
    Some(Effect::WriteSecrets { write, pods })
}

/// The Jobs that `decided` asks for.
#[must_use]
pub fn errands(decided: Option<&Decision>, seen: &Observed, image: Option<&str>) -> Vec<ErrandRun> {
    let (Some(decided), Some(document), Some(image)) = (decided, &seen.document, image) else {
        return Vec::new();
    };
    let run = |errand: &Errand| ErrandRun {
        errand: errand.clone(),
        on: document.generation,
        image: image.to_owned(),
    };
    decided.errands.iter().map(run).collect()
}

/// Keys that are rotated by age.
#[must_use]
pub fn scheduled(app: &ValidErpGo) -> Vec<KeyName> {
    let turning = app.turns.keys().map(|key| key.key());
    DRAWN.into_iter().chain(turning).collect()
}

// A pod without an address has no sidecar yet and reads what is there when it begins.
fn api_pods(seen: &Observed) -> impl Iterator<Item = &PodFacts> {
    let api = |pod: &&PodFacts| pod.component == PodComponent::Api && !pod.ended;
    seen.pods.iter().filter(api).filter(|pod| pod.ip.is_some())
}

fn pod(facts: &PodFacts) -> PodView {
    PodView {
        name: facts.name.clone(),
        ready: facts.ready,
        terminating: facts.terminating,
        state: facts.secrets.clone(),
    }
}

/// What the spec says of rotations.
#[must_use]
pub fn policy(app: &ValidErpGo) -> Policy {
    let spec = &app.rotation;
    let hours = |count: i32| Duration::from_secs(u64::try_from(count).unwrap_or(0) * HOUR);
    Policy {
        paused: spec.paused,
        interval: hours(spec.interval_days.saturating_mul(24)),
        jwt_grace: hours(spec.grace.jwt_hours),
        refresh_grace: hours(spec.grace.refresh_days.saturating_mul(24)),
        scheduled: scheduled(app),
        seed: app.owner.uid.clone(),
    }
}
