//! How Redis, the one key that the document may lack, joins it and leaves it.
//!
//! Owns both. It joins as current, since no pod has a version before it: every pod tries it, and when one
//! cannot use it, it leaves again and all go on as before. When the spec has it no more it leaves with all
//! its versions: pods need nothing in its place, and each keeps what it holds until it has taken up the
//! generation without it (I-03). No password is given or taken away here.

use erpgo_secret_set::KeyName;

use super::active::{PATIENCE, abort, remember, step, uses};
use super::decide::{Decision, intended};
use super::quorum::ask;
use super::record::{Active, Finished, Outcome, Record, Step, Turn};
use super::situation::{Edit, Redis, Situation, Write};
use super::trigger::after;

const KEY: KeyName = KeyName::Redis;

/// Means it to join.
pub(super) fn join(s: &Situation<'_>, decision: &mut Decision, reason: String) {
    let turn = Turn {
        key: KEY,
        from: None,
    };
    let active = intended(s, vec![turn], reason);
    let (id, why) = (&active.id, &active.reason);
    let message = format!("rotation {id} begins: {KEY} joins the secret set: {why}");
    decision.note("RotationBegun", id, message);
    decision.record.active = Some(active);
}

/// Takes the next step of its way in. How far it is follows from the document.
pub(super) fn advance(s: &Situation<'_>, decision: Decision, active: &Active) -> Decision {
    let is_there = s.document.keys.contains_key(&KEY);
    match active.step {
        Step::Abort if is_there => decision.writing(write(s, &active.id, Edit::Leave)),
        Step::Abort if active.trouble.is_none() => withdrawn(decision),
        Step::Abort => decision.finish(Outcome::Aborted, s.now),
        _ if !is_wanted(s) => withdraw(s, decision, &format!("spec.{KEY} or its URL is gone")),
        _ if !is_there => decision.writing(write(s, &active.id, Edit::Join)),
        Step::Begin | Step::Stage => step(s, decision, Step::Promote),
        Step::Promote => using(s, decision, active),
    }
}

fn is_wanted(s: &Situation<'_>) -> bool {
    match s.redis {
        Redis::Joins => true,
        Redis::Agrees => s.document.keys.contains_key(&KEY),
        Redis::Leaves => false,
    }
}

/// Takes it back though nobody refused it. That it has no trouble tells the two apart until it is out.
pub(super) fn withdraw(s: &Situation<'_>, mut decision: Decision, why: &str) -> Decision {
    if let Some(active) = &mut decision.record.active {
        active.step = Step::Abort;
        active.since = s.now;
        active.trouble = None;
        let id = active.id.clone();
        let message = format!("rotation {id} of {KEY} is rolled back: {why}");
        decision.note("RotationAborted", &id, message);
    }
    decision.at_once()
}

// What nobody refused is no failure that the next try would have to wait for.
fn withdrawn(mut decision: Decision) -> Decision {
    decision.record.active = None;
    decision.at_once()
}

/// Forgets that it was rolled back as soon as the spec has it no more: what is added then is new.
pub(super) fn forget(s: &Situation<'_>, record: &mut Record) {
    let gave_up = |last: &Finished| last.gave_up(&[KEY]);
    if !is_wanted(s) && record.last.as_ref().is_some_and(gave_up) {
        record.last = None;
    }
}

fn using(s: &Situation<'_>, mut decision: Decision, active: &Active) -> Decision {
    let quorum = ask(s.pods, s.document.generation, |held| uses(s, held, &[KEY]));
    remember(&mut decision, &quorum);
    if quorum.is_reached() {
        return decision.finish(Outcome::Switched, s.now);
    }
    match quorum.refused {
        Some(refusal) => abort(s, decision, refusal),
        None if after(active.since, PATIENCE) <= s.now => {
            let trouble = format!("used in time by only {}", quorum.told());
            abort(s, decision, trouble)
        }
        None => decision.waiting(format!("used by {}", quorum.told()), false),
    }
}

/// Whether it leaves now. What is staged is promoted or rolled back first, which takes minutes. What is
/// promoted is not waited for: where Redis itself is gone, no pod could ever use the new version.
pub(super) fn leaves(s: &Situation<'_>, record: &Record) -> bool {
    let lets_it_go = |active: &Active| active.step == Step::Promote && !active.joins();
    let is_free = record.active.as_ref().is_none_or(lets_it_go);
    s.redis == Redis::Leaves && is_free && !s.policy.paused
}

/// Takes it out.
pub(super) fn leave(s: &Situation<'_>, decision: Decision) -> Decision {
    decision.writing(write(s, "leave", Edit::Leave))
}

/// Tells that it left, from what is seen: a write that is meant may fail, or be done by one who dies.
pub(super) fn left(s: &Situation<'_>, decision: &mut Decision) {
    // A join that is taken back has told so, and has never been one that all use.
    let joins = s.record.active.as_ref().is_some_and(Active::joins);
    if joins || s.document.keys.contains_key(&KEY) {
        return;
    }
    if let Some(seen) = s.record.key(KEY) {
        let kid = seen.kid.as_str();
        let message = format!("{KEY} left the secret set: {KEY}/{kid} has no successor");
        decision.note("SecretKeyLeft", kid, message);
    }
}

// A try on another generation is another write: somebody may have undone the last one by hand.
fn write(s: &Situation<'_>, what: &str, edit: Edit) -> Write {
    let on = s.document.generation;
    Write {
        rotation: format!("{what}-{on}"),
        on,
        edit,
    }
}
