//! What asks for a new rotation.
//!
//! Owns [`begin`]: a person's word first, then a Redis that is new in the spec, then, unless something
//! was rolled back a while ago, what is due by age and what has another value in its Secret.

use std::time::Duration;

use erpgo_secret_set::KeyName;

use super::decide::{Decision, intended, list, turn};
use super::record::{Outcome, Record};
use super::redis;
use super::situation::{Redis, Situation};
use super::trigger::{self, Request};
use super::view::KeyView;

/// After a rotation that was rolled back, no other is begun by itself for so long.
const PAUSE_AFTER_ABORT: Duration = Duration::from_secs(3600);

/// Begins what is asked for or due.
pub(super) fn begin(s: &Situation<'_>, mut decision: Decision) -> Decision {
    if s.policy.paused {
        return decision;
    }
    if let Some((text, parsed)) = &s.triggers.rotate
        && decision.record.handled_rotate.as_ref() != Some(text)
    {
        decision.record.handled_rotate = Some(text.clone());
        match parsed {
            Ok(request) => asked(s, &mut decision, text, request),
            Err(error) => {
                decision.warn("RotationRefused", text, format!("erpgo.io/rotate: {error}"));
            }
        }
        return decision.at_once();
    }
    // A Redis that is new waits for nothing, and one that was rolled back last lets all others go first:
    // neither holds the other up. What was rolled back with other keys did not join, and what was before
    // it left is forgotten.
    let joins = s.redis == Redis::Joins;
    let last = decision.record.last.as_ref();
    let is_refused = last.is_some_and(|last| last.gave_up(&[KeyName::Redis]));
    if joins && !is_refused {
        redis::join(s, &mut decision, "spec.redis was added".into());
        return decision.at_once();
    }
    if recently_aborted(s, &decision.record) {
        return decision;
    }
    let due = trigger::first(&due(s), given_up(&decision.record));
    let changed = changed(s);
    if !due.is_empty() {
        start(s, &mut decision, &due, "it is due by age".into());
    } else if !changed.is_empty() {
        let reason = "its Secret has a new value".into();
        start(s, &mut decision, &changed, reason);
    } else if joins {
        redis::join(s, &mut decision, "spec.redis is tried again".into());
    } else {
        return decision;
    }
    decision.at_once()
}

fn asked(s: &Situation<'_>, decision: &mut Decision, text: &str, request: &Request) {
    if request.keys == [KeyName::Redis] && s.redis == Redis::Joins {
        redis::join(s, decision, request.reason.clone());
        return;
    }
    let (free, taken): (Vec<_>, Vec<_>) = request
        .keys
        .iter()
        .copied()
        .partition(|key| stable(s, *key) && s.offered.contains(key));
    for key in taken {
        let message = match s.document.keys.get(&key) {
            None => format!("{key} is not in the secret set"),
            Some(view) if !view.is_stable() => {
                let kid = view.previous.as_ref().map_or("", |old| old.kid.as_str());
                format!(
                    "{key} is not rotated while {kid} is in its grace; revoke {key}/{kid} to end it"
                )
            }
            Some(_) => format!("{key} has no new value: {}", no_value(key)),
        };
        decision.warn("RotationRefused", text, message);
    }
    if !free.is_empty() {
        start(s, decision, &free, request.reason.clone());
    }
}

fn start(s: &Situation<'_>, decision: &mut Decision, keys: &[KeyName], reason: String) {
    let turns = keys.iter().filter_map(|key| {
        let view = s.document.keys.get(key)?;
        Some(turn(*key, &view.current.kid))
    });
    let active = intended(s, turns.collect(), reason);
    // With its id: what was told a moment ago of an earlier one is not told again.
    let (id, keys, why) = (&active.id, list(keys), &active.reason);
    let message = format!("rotation {id} begins: {keys} is rotated: {why}");
    decision.note("RotationBegun", id, message);
    decision.record.active = Some(active);
}

fn stable(s: &Situation<'_>, key: KeyName) -> bool {
    s.document.keys.get(&key).is_some_and(KeyView::is_stable)
}

fn changed(s: &Situation<'_>) -> Vec<KeyName> {
    let changed = s.changed.iter().copied();
    changed.filter(|key| stable(s, *key)).collect()
}

fn due(s: &Situation<'_>) -> Vec<KeyName> {
    let old = |key: &KeyName| {
        let view = s.document.keys.get(key).filter(|view| view.is_stable());
        view.is_some_and(|view| trigger::due(s.policy, *key, view.current.created_at) <= s.now)
    };
    let scheduled = s.policy.scheduled.iter().copied();
    scheduled
        .filter(|key| s.offered.contains(key))
        .filter(old)
        .collect()
}

fn given_up(record: &Record) -> &[KeyName] {
    let last = record.last.as_ref();
    let last = last.filter(|last| last.outcome == Outcome::Aborted);
    last.map_or(&[], |last| &last.keys)
}

fn recently_aborted(s: &Situation<'_>, record: &Record) -> bool {
    record.last.as_ref().is_some_and(|last| {
        last.outcome == Outcome::Aborted && s.now < trigger::after(last.at, PAUSE_AFTER_ABORT)
    })
}

pub(super) const fn no_value(key: KeyName) -> &'static str {
    match key {
        KeyName::Database => {
            "write new credentials into the Secret of spec.database.secretRef first"
        }
        KeyName::Redis => "write new credentials into the Secret of spec.redis.secretRef first",
        KeyName::Jwt | KeyName::Refresh | KeyName::Pepper => "it is generated",
    }
}
