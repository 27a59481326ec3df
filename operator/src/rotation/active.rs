//! The rotation under way, step by step.
//!
//! Owns [`advance`]. How far it is follows from the document; the record says what is meant. It never
//! promotes without every pod's acceptance, except to revoke, which waits for a moment only. Redis
//! joins in a way of its own ([`redis`]).

use std::ops::ControlFlow;
use std::time::Duration;

use erpgo_secret_set::{KeyName, Kid};
use jiff::Timestamp;

use super::decide::{Decision, list};
use super::errand;
use super::logins::LoginKey;
use super::quorum::{Holding, Quorum, ask};
use super::record::{Active, Outcome, Step};
use super::redis;
use super::situation::{Edit, Situation, Write};
use super::trigger::after;

/// How long pods have to accept what is staged.
pub const ACCEPTANCE: Duration = Duration::from_secs(300);
/// How long they may take to follow.
pub(super) const PATIENCE: Duration = ACCEPTANCE;
/// How long a revocation waits for pods to accept the successor.
pub const HASTE: Duration = Duration::from_secs(2);
const UNDONE: &str = "the document does not hold what was promoted";

/// Where one key is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Untouched,
    Prepared,
    Staged,
    Turned,
}

/// Takes the next step of the rotation in `decision.record.active`.
pub(super) fn advance(s: &Situation<'_>, mut decision: Decision) -> Decision {
    let Some(active) = decision.record.active.clone() else {
        return decision;
    };
    if active.joins() {
        return redis::advance(s, decision, &active);
    }
    let all = |at: &[At]| keys(s, &active, at).len() == active.keys.len();
    let any = |at: &[At]| !keys(s, &active, at).is_empty();
    match active.step {
        Step::Abort if any(&[At::Prepared, At::Staged]) => {
            errand::note_given(s, &mut decision);
            let edit = Edit::Abort(keys(s, &active, &[At::Prepared, At::Staged]));
            decision.writing(write(s, &active, edit))
        }
        Step::Abort => decision.finish(Outcome::Aborted, s.now),
        Step::Begin if all(&[At::Untouched, At::Prepared]) => {
            match errand::given(s, decision, &active) {
                ControlFlow::Break(decided) => decided,
                ControlFlow::Continue(ready) => stage(s, ready, &active),
            }
        }
        Step::Begin => step(s, decision, Step::Stage),
        Step::Stage if any(&[At::Untouched, At::Prepared]) || active.keys.is_empty() => {
            if let Some(active) = &mut decision.record.active {
                active.trouble = Some("the next version was removed by another hand".into());
                active.step = Step::Abort;
            }
            decision.at_once()
        }
        Step::Stage if all(&[At::Turned]) => step(s, decision, Step::Promote),
        Step::Stage => accepting(s, decision, &active),
        Step::Promote => switching(s, decision, &active),
    }
}

fn place(s: &Situation<'_>, active: &Active, key: KeyName) -> Option<At> {
    let turn = active.keys.iter().find(|turn| turn.key == key)?;
    // A key that left the document is no longer waited for.
    let Some(view) = s.document.keys.get(&key) else {
        return Some(At::Turned);
    };
    Some(match (&view.next, &view.prepared) {
        _ if turn.from.as_ref() != Some(&view.current.kid) => At::Turned,
        (Some(_), _) => At::Staged,
        (None, Some(_)) => At::Prepared,
        (None, None) => At::Untouched,
    })
}

fn keys(s: &Situation<'_>, active: &Active, at: &[At]) -> Vec<KeyName> {
    let all = active.keys.iter().map(|turn| turn.key);
    all.filter(|key| place(s, active, *key).is_some_and(|place| at.contains(&place)))
        .collect()
}

pub(super) fn write(s: &Situation<'_>, active: &Active, edit: Edit) -> Write {
    Write {
        rotation: active.id.clone(),
        on: s.document.generation,
        edit,
    }
}

pub(super) fn step(s: &Situation<'_>, mut decision: Decision, to: Step) -> Decision {
    let Some(active) = &mut decision.record.active else {
        return decision;
    };
    active.step = to;
    active.since = s.now;
    (active.acknowledged, active.total) = (0, 0);
    active.missing.clear();
    let id = active.id.clone();
    let keys: Vec<KeyName> = active.keys.iter().map(|turn| turn.key).collect();
    let (reason, told) = match to {
        Step::Promote => ("RotationPromoted", "are current"),
        Step::Begin | Step::Stage | Step::Abort => ("RotationStaged", "are accepted as next"),
    };
    let message = format!(
        "the new versions of {} {told} from generation {}",
        list(&keys),
        s.document.generation
    );
    decision.note(reason, &id, message);
    decision.at_once()
}

fn stage(s: &Situation<'_>, decision: Decision, active: &Active) -> Decision {
    let names = keys(s, active, &[At::Untouched, At::Prepared]);
    if let Some(key) = names.iter().find(|key| !s.offered.contains(key)) {
        return abort(s, decision, format!("{key} has no new value"));
    }
    decision.writing(write(s, active, Edit::Stage(names)))
}

pub(super) fn abort(s: &Situation<'_>, mut decision: Decision, trouble: String) -> Decision {
    if let Some(active) = &mut decision.record.active {
        active.step = Step::Abort;
        active.since = s.now;
        active.trouble = Some(trouble);
    }
    decision.at_once()
}

fn accepting(s: &Situation<'_>, mut decision: Decision, active: &Active) -> Decision {
    let names = keys(s, active, &[At::Staged]);
    let quorum = ask(s.pods, s.document.generation, |held| {
        accepts(s, held, &names)
    });
    remember(&mut decision, &quorum);
    let late = |patience| after(active.since, patience) <= s.now;
    if active.revoke && (quorum.is_reached() || after(haste_from(s, active), HASTE) <= s.now) {
        let turn = active.keys.first();
        let Some((key, from)) = turn.and_then(|turn| Some((turn.key, turn.from.clone()?))) else {
            return decision;
        };
        // A password that a Job takes away goes when pods have the next one, which is a moment later.
        let edit = if by_job(s, key) && is_alone(s, key) {
            Edit::Promote(vec![key])
        } else {
            Edit::Revoke(key, from)
        };
        return decision.writing(write(s, active, edit));
    }
    if quorum.is_reached() {
        return promote(s, decision, active, names);
    }
    match quorum.refused {
        Some(refusal) if !active.revoke => abort(s, decision, refusal),
        _ if !active.revoke && late(PATIENCE) => abort(
            s,
            decision,
            format!("accepted in time by only {}", quorum.told()),
        ),
        _ => {
            let mut decision = decision.waiting(format!("accepted by {}", quorum.told()), false);
            let soon = if active.revoke { 1 } else { 2 };
            decision.again = Some(Duration::from_secs(soon));
            decision
        }
    }
}

fn by_job(s: &Situation<'_>, key: KeyName) -> bool {
    LoginKey::of(key).is_some_and(|key| s.logins.contains_key(&key))
}

// What was drawn when it was staged tells since when pods could know of it: asking one that is silent takes
// time, and must not be added.
fn haste_from(s: &Situation<'_>, active: &Active) -> Timestamp {
    let keys = active.keys.iter().map(|turn| turn.key);
    let drawn = keys.filter(|key| !by_job(s, *key)).filter_map(|key| {
        let view = s.document.keys.get(&key)?;
        view.next.as_ref().map(|next| next.created_at)
    });
    drawn.fold(active.since, Ord::min)
}

fn accepts(s: &Situation<'_>, held: &Holding<'_>, names: &[KeyName]) -> Result<(), String> {
    for key in names {
        let next = s.document.keys.get(key).and_then(|view| view.next.as_ref());
        if next.is_some_and(|next| !held.accepts(*key, &next.kid)) {
            return Err(format!("does not accept the next {key}"));
        }
    }
    Ok(())
}

// A previous version that is still in its grace would be pushed out: it goes first.
fn promote(
    s: &Situation<'_>,
    decision: Decision,
    active: &Active,
    names: Vec<KeyName>,
) -> Decision {
    let in_grace = |key: &&KeyName| {
        let view = s.document.keys.get(key);
        view.is_some_and(|view| view.previous.is_some())
    };
    match names.iter().find(in_grace) {
        Some(key) => {
            let told = format!("{key} has a version in its grace");
            abort(s, decision, told)
        }
        None => decision.writing(write(s, active, Edit::Promote(names))),
    }
}

fn switching(s: &Situation<'_>, mut decision: Decision, active: &Active) -> Decision {
    // A document that was put back by hand or read too early: it is taken up again from what it shows.
    if !is_turned(s, active) {
        return abort(s, decision, UNDONE.into());
    }
    if let Some((key, from)) = doomed(s, active) {
        return match errand::taken(s, decision, key, from) {
            ControlFlow::Break(decided) => decided,
            ControlFlow::Continue(decision) => {
                let edit = Edit::Revoke(key, from.clone());
                decision.writing(write(s, active, edit))
            }
        };
    }
    let quorum = used(s, active);
    remember(&mut decision, &quorum);
    if quorum.is_reached() {
        return decision.finish(Outcome::Switched, s.now);
    }
    let fault = after(active.since, PATIENCE) <= s.now;
    decision.waiting(format!("used by {}", quorum.told()), fault)
}

/// Ends what is promoted though pods may not use it yet: `why` cannot wait for them.
pub(super) fn cut_short(s: &Situation<'_>, mut decision: Decision, why: String) -> Decision {
    let Some(active) = &mut decision.record.active else {
        return decision;
    };
    if !is_turned(s, active) {
        return abort(s, decision, UNDONE.into());
    }
    if !used(s, active).is_reached() {
        active.trouble = Some(why);
    }
    decision.finish(Outcome::Switched, s.now)
}

/// Whether each of its keys has left the version that it turns from.
pub(super) fn is_turned(s: &Situation<'_>, active: &Active) -> bool {
    let mut keys = active.keys.iter().map(|turn| turn.key);
    keys.all(|key| place(s, active, key) == Some(At::Turned))
}

fn used(s: &Situation<'_>, active: &Active) -> Quorum {
    let names: Vec<KeyName> = active.keys.iter().map(|turn| turn.key).collect();
    ask(s.pods, s.document.generation, |held| uses(s, held, &names))
}

// Whether nothing before the current version is still accepted.
fn is_alone(s: &Situation<'_>, key: KeyName) -> bool {
    let view = s.document.keys.get(&key);
    view.is_some_and(|view| view.previous.is_none())
}

/// What is revoked, if it is previous by now and has yet to go.
pub(super) fn doomed<'a>(s: &Situation<'_>, active: &'a Active) -> Option<(KeyName, &'a Kid)> {
    let turn = active.keys.first().filter(|_| active.revoke)?;
    let from = turn.from.as_ref()?;
    let previous = s.document.keys.get(&turn.key)?.previous.as_ref()?;
    (previous.kid == *from).then_some((turn.key, from))
}

/// Whether the pod uses the current version of each of `names`.
pub(super) fn uses(s: &Situation<'_>, held: &Holding<'_>, names: &[KeyName]) -> Result<(), String> {
    for key in names {
        let view = s.document.keys.get(key);
        if view.is_some_and(|view| !held.uses(*key, &view.current.kid)) {
            return Err(format!("uses the old {key}"));
        }
    }
    Ok(())
}

pub(super) fn remember(decision: &mut Decision, quorum: &Quorum) {
    if let Some(active) = &mut decision.record.active {
        active.acknowledged = quorum.agreed;
        active.total = quorum.total;
        active.missing.clone_from(&quorum.missing);
    }
}
