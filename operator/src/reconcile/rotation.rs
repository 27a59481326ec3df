//! The rotation of secrets as a part of the plan.
//!
//! Owns the way from spec, annotations and observation to [`decide`], and from its decision to an
//! effect. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use erpgo_crds::ErpGoStatus;
use erpgo_secret_set::KeyName;
use jiff::Timestamp;

use super::build::credentials_job::ErrandRun;
use super::observed::{Observed, PodComponent, PodFacts};
use super::plan::Effect;
use super::valid::ValidErpGo;
pub use crate::rotation::ACCEPTANCE;
use crate::rotation::{Decision, PodView, Policy, Record, Roles, Situation, decide};

/// Keys whose values the operator draws in any case.
const DRAWN: [KeyName; 3] = [KeyName::Jwt, KeyName::Refresh, KeyName::Pepper];

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
    let record = Record::of(status.and_then(|status| status.rotation.as_ref()));
    let roles = app.database_rotation.as_ref().map(|rotation| Roles {
        pair: rotation.roles.clone(),
        of: seen.logins.clone(),
    });
    let mut changed = seen.changed.clone();
    let mut offered = BTreeSet::from(DRAWN);
    if roles.is_some() {
        // Its source is the first URL only; every other one is drawn.
        changed.remove(&KeyName::Database);
        offered.insert(KeyName::Database);
    }
    offered.extend(&changed);
    let pods: Vec<PodView> = api_pods(seen).map(pod).collect();
    Some(decide(&Situation {
        document,
        pods: &pods,
        record: &record,
        policy: &policy(app),
        triggers: &app.triggers,
        offered: &offered,
        changed: &changed,
        roles: roles.as_ref(),
        errands: &seen.errands,
        now,
    }))
}

/// The write that `decided` asks for.
#[must_use]
pub fn effect(decided: Option<&Decision>, seen: &Observed) -> Option<Effect> {
    let write = decided?.write.clone()?;
    let pods = api_pods(seen).filter_map(|pod| pod.ip).collect();
    Some(Effect::WriteSecrets { write, pods })
}

/// The Job that `decided` asks for.
#[must_use]
pub fn errand(
    decided: Option<&Decision>,
    seen: &Observed,
    image: Option<&str>,
) -> Option<ErrandRun> {
    Some(ErrandRun {
        errand: decided?.errand.clone()?,
        on: seen.document.as_ref()?.generation,
        image: image?.to_owned(),
    })
}

/// Keys that are rotated by age.
#[must_use]
pub fn scheduled(app: &ValidErpGo) -> Vec<KeyName> {
    let database = app.database_rotation.as_ref().map(|_| KeyName::Database);
    DRAWN.into_iter().chain(database).collect()
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
