//! Redis in the spec and in the secret set.
//!
//! Owns how the two stand to each other, for [`super::rotation`], and what is told until they agree: a
//! `spec.redis` that pods cannot use is never passed over in silence. Pure.

use erpgo_crds::SecretKey;
use erpgo_secret_set::KeyName;

use super::observed::{Observed, SecretSource};
use super::phase::{self, Waiting};
use super::reason;
use super::valid::ValidErpGo;
use crate::rotation::{Active, Decision, Finished, Redis};

/// How the document stands to the spec.
#[must_use]
pub fn stands(app: &ValidErpGo, seen: &Observed) -> Redis {
    let Some(document) = &seen.document else {
        return Redis::Agrees;
    };
    let is_there = document.keys.contains_key(&KeyName::Redis);
    match (&app.redis, is_there) {
        (None, true) => Redis::Leaves,
        (Some(_), false) if seen.redis_secret == Some(SecretSource::Present) => Redis::Joins,
        _ => Redis::Agrees,
    }
}

/// What stands between the spec and the set in use.
#[must_use]
pub fn waiting(app: &ValidErpGo, seen: &Observed, decided: Option<&Decision>) -> Option<Waiting> {
    let document = seen.document.as_ref()?;
    match (&app.redis, document.keys.contains_key(&KeyName::Redis)) {
        (None, true) => decided.map(|_| leaves(app)),
        (Some(redis), false) => {
            let source = phase::redis_source(app, seen);
            source.or_else(|| Some(joins(app, redis, decided?)))
        }
        (None, false) | (Some(_), true) => None,
    }
}

fn leaves(app: &ValidErpGo) -> Waiting {
    if app.rotation.paused {
        return held(
            "spec.redis is gone and pods go on using Redis",
            "they let go of it",
        );
    }
    Waiting::passing(
        reason::ROTATING,
        "redis leaves the secret set".into(),
        "nothing to do, pods let go of it",
    )
}

fn joins(app: &ValidErpGo, redis: &SecretKey, decided: &Decision) -> Waiting {
    let record = &decided.record;
    let joining = record.active.as_ref().is_some_and(Active::joins);
    if app.rotation.paused && !joining {
        return held("pods go on without the Redis of spec.redis", "it is added");
    }
    match record
        .last
        .as_ref()
        .filter(|last| last.gave_up(&[KeyName::Redis]))
    {
        Some(last) if !joining => refused(redis, last),
        _ => {
            let wait = decided.wait.as_ref().filter(|_| joining);
            let wait = wait.map_or(String::new(), |wait| format!(": {}", wait.message));
            Waiting::passing(
                reason::ROTATING,
                format!("redis joins the secret set{wait}"),
                "nothing to do, every pod tries it first",
            )
        }
    }
}

fn refused(redis: &SecretKey, last: &Finished) -> Waiting {
    let SecretKey { name, key } = redis;
    Waiting::fault(
        reason::REDIS_UNAVAILABLE,
        format!(
            "pods go on without the Redis of spec.redis: {}",
            last.reason
        ),
        format!(
            "correct the URL in key {key} of the Secret {name}, or the server; it is tried again after an hour, or at once by the annotation erpgo.io/rotate: redis=REASON with another reason each time"
        ),
    )
}

fn held(cause: &str, what: &str) -> Waiting {
    Waiting::passing(
        reason::ROTATING,
        format!("{cause}: spec.secrets.rotation.paused is set"),
        format!("{what} when that is false"),
    )
}
