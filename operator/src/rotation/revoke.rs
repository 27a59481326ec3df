//! What a revocation does first.
//!
//! Owns [`revocation`]: a version that is on its way out goes at once; one that is current gets a
//! successor first, and whatever else is under way makes room for it. A Redis that the spec has no more
//! needs no successor: it leaves. What is asked for stands until the version is gone: one that was rolled
//! back is tried again after a pause, and one that waits for a new value as soon as there is one.

use std::ops::ControlFlow;
use std::time::Duration;

use erpgo_secret_set::{KeyName, Kid};

use super::active::{cut_short, doomed, is_turned};
use super::begin::no_value;
use super::decide::{Decision, intended, turn};
use super::errand::taken;
use super::record::{Active, Step};
use super::redis;
use super::situation::{Edit, Redis, Situation, Write};
use super::trigger::{Revocation, after};

/// Between two tries of a revocation. Each draws a new password, and its Job needs a server.
const PAUSE: Duration = Duration::from_secs(60);
/// How soon it is looked for a value for which a revocation waits: no watch tells of it.
const LOOK: Duration = Duration::from_secs(15);

/// Decides on `erpgo.io/revoke`; goes on when there is nothing to revoke.
pub(super) fn revocation(
    s: &Situation<'_>,
    mut decision: Decision,
) -> ControlFlow<Decision, Decision> {
    let Some((text, parsed)) = &s.triggers.revoke else {
        return ControlFlow::Continue(decision);
    };
    let is_known = decision.record.handled_revoke.as_ref() == Some(text);
    let Revocation { key, kid } = match parsed {
        Ok(revocation) => revocation,
        Err(_) if is_known => return ControlFlow::Continue(decision),
        Err(error) => {
            let message = format!("erpgo.io/revoke: {error}");
            decision.warn("RevocationRefused", text, message);
            return ControlFlow::Break(handled(decision, text));
        }
    };
    let found = s.document.keys.get(key);
    let Some(view) = found.filter(|_| s.document.has(*key, kid)) else {
        if is_known {
            return ControlFlow::Continue(decision);
        }
        let message = format!("{key} has no version {kid}");
        decision.note("RevocationDone", text, message);
        return ControlFlow::Break(handled(decision, text));
    };
    if is_known && is_under_way(&decision, *key, kid) {
        return ControlFlow::Continue(decision);
    }
    if view
        .previous
        .as_ref()
        .is_some_and(|previous| previous.kid == *kid)
    {
        // On its way out already, and now without waiting.
        let decision = taken(s, decision, *key, kid)?;
        let write = Write {
            rotation: format!("revoke-{kid}"),
            on: s.document.generation,
            edit: Edit::Revoke(*key, kid.clone()),
        };
        return ControlFlow::Break(decision.writing(write));
    }
    if is_known && let Some(why) = not_yet(s, &decision, *key) {
        let look = decision.again.map_or(LOOK, |again| again.min(LOOK));
        decision.again = Some(look);
        let message = format!("{key}/{kid} is not revoked yet: {why}");
        return ControlFlow::Continue(decision.also_waiting(message, true));
    }
    if decision.record.active.is_some() {
        return make_room(s, decision, *key, kid);
    }
    ControlFlow::Break(succeed(s, decision, text, *key, kid))
}

fn is_under_way(decision: &Decision, key: KeyName, kid: &Kid) -> bool {
    let active = decision.record.active.as_ref();
    let turns = |active: &Active| {
        let mut turns = active.keys.iter();
        turns.any(|turn| turn.key == key && turn.from.as_ref() == Some(kid))
    };
    active.is_some_and(|active| active.revoke && turns(active))
}

// Why what was taken up before is not tried again now.
fn not_yet(s: &Situation<'_>, decision: &Decision, key: KeyName) -> Option<String> {
    let leaves = key == KeyName::Redis && s.redis == Redis::Leaves;
    if !leaves && !s.offered.contains(&key) {
        return Some(no_value(key).into());
    }
    let last = decision.record.last.as_ref();
    let last = last.filter(|last| last.keys == [key] && s.now < after(last.at, PAUSE))?;
    Some(format!(
        "{}; it is tried again within a minute",
        last.reason
    ))
}

fn handled(mut decision: Decision, text: &str) -> Decision {
    decision.record.handled_revoke = Some(text.to_owned());
    decision.at_once()
}

// Whatever is under way ends; the revocation comes again when it has.
fn make_room(
    s: &Situation<'_>,
    mut decision: Decision,
    key: KeyName,
    kid: &Kid,
) -> ControlFlow<Decision, Decision> {
    let Some(active) = &mut decision.record.active else {
        return ControlFlow::Continue(decision);
    };
    let why = format!("{key}/{kid} is to be revoked");
    match active.step {
        // An earlier revocation is about to take its version away.
        Step::Promote if doomed(s, active).is_some() => ControlFlow::Continue(decision),
        // Pods that refuse a Redis that joins would refuse the revocation too.
        Step::Begin | Step::Stage | Step::Promote if active.joins() && key != KeyName::Redis => {
            ControlFlow::Break(redis::withdraw(s, decision, &why))
        }
        // It is promoted already, which is remembered first: nothing of it can be rolled back.
        Step::Stage if !active.joins() && is_turned(s, active) => ControlFlow::Continue(decision),
        Step::Promote if !active.joins() => ControlFlow::Break(cut_short(s, decision, why)),
        // One that is revoked itself would only come again with the same URL: it waits as if refused.
        Step::Begin | Step::Stage | Step::Promote => {
            active.step = Step::Abort;
            active.trouble = Some(why);
            ControlFlow::Break(decision.at_once())
        }
        Step::Abort => ControlFlow::Continue(decision),
    }
}

fn succeed(
    s: &Situation<'_>,
    mut decision: Decision,
    text: &str,
    key: KeyName,
    kid: &Kid,
) -> Decision {
    if key == KeyName::Redis && s.redis == Redis::Leaves {
        return redis::leave(s, decision);
    }
    if !s.offered.contains(&key) {
        let why = no_value(key);
        let message = format!("{key}/{kid} is current and there is no other value: {why}");
        decision.warn("RevocationRefused", text, message);
        return handled(decision, text);
    }
    let mut active = intended(s, vec![turn(key, kid)], format!("{key}/{kid} is revoked"));
    active.revoke = true;
    decision.warn("RevocationBegun", &active.id, active.reason.clone());
    decision.record.active = Some(active);
    handled(decision, text)
}
