//! What a revocation does first.
//!
//! Owns [`revocation`]: a version that is on its way out goes at once; one that is current gets a
//! successor first, and whatever else is under way makes room for it. A Redis that the spec has no more
//! needs no successor: it leaves.

use std::ops::ControlFlow;

use erpgo_secret_set::{KeyName, Kid};

use super::active::{cut_short, doomed, is_turned};
use super::begin::no_value;
use super::decide::{Decision, intended, turn};
use super::errand::taken;
use super::record::Step;
use super::redis;
use super::situation::{Edit, Redis, Situation, Write};
use super::trigger::Revocation;

/// Decides on `erpgo.io/revoke`; goes on when there is nothing to revoke.
pub(super) fn revocation(
    s: &Situation<'_>,
    mut decision: Decision,
) -> ControlFlow<Decision, Decision> {
    let Some((text, parsed)) = &s.triggers.revoke else {
        return ControlFlow::Continue(decision);
    };
    if decision.record.handled_revoke.as_ref() == Some(text) {
        return ControlFlow::Continue(decision);
    }
    let Revocation { key, kid } = match parsed {
        Ok(revocation) => revocation,
        Err(error) => {
            decision.warn(
                "RevocationRefused",
                text,
                format!("erpgo.io/revoke: {error}"),
            );
            return ControlFlow::Break(handled(decision, text));
        }
    };
    let found = s
        .document
        .keys
        .get(key)
        .filter(|_| s.document.has(*key, kid));
    let Some(view) = found else {
        decision.note(
            "RevocationDone",
            text,
            format!("{key} has no version {kid}"),
        );
        return ControlFlow::Break(handled(decision, text));
    };
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
    if decision.record.active.is_some() {
        return make_room(s, decision, *key, kid);
    }
    ControlFlow::Break(succeed(s, decision, text, *key, kid))
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
