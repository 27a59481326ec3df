//! The order in which a situation is judged.
//!
//! Owns [`decide`]: what was seen is remembered first, then a revocation, then Redis, if it leaves, then
//! the rotation under way, then versions whose grace is over, then what asks for a new rotation.

use std::ops::ControlFlow;
use std::time::Duration;

use erpgo_secret_set::{KeyName, Kid};
use jiff::Timestamp;

use super::errand::Errand;
use super::quorum::ask;
use super::record::{Active, Finished, Outcome, Record, Removed, Step, Turn};
use super::situation::{Situation, Write};
use super::view::KeyView;
use super::{active, begin, redis, retire, revoke, trigger};

/// How soon a pod that has not answered is asked again.
const SOON: Duration = Duration::from_secs(5);
/// The same for the proof that a version is refused, for so long after it was removed: somebody waits.
const EAGER: Duration = Duration::from_secs(1);
const YOUNG: Duration = Duration::from_secs(30);

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// What the status is to remember. It is written whatever becomes of `write`.
    pub record: Record,
    /// The one write of the document; none while `record` has something new to intend.
    pub write: Option<Write>,
    /// The Jobs that are to run, if they do not yet.
    pub errands: Vec<Errand>,
    /// What is waited on.
    pub wait: Option<Wait>,
    /// When to decide again, if nothing changes before.
    pub again: Option<Duration>,
    /// What happened, for events and the log.
    pub notes: Vec<Note>,
}

/// Something that is waited on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// What, and who is missing.
    pub message: String,
    /// Whether a person should look.
    pub fault: bool,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether a person should look.
    pub warning: bool,
    /// Fixed word.
    pub reason: &'static str,
    /// The rotation or version concerned.
    pub subject: String,
    /// What happened.
    pub message: String,
}

impl Decision {
    pub(super) fn note(&mut self, reason: &'static str, subject: &str, message: String) {
        self.tell(false, reason, subject, message);
    }

    pub(super) fn warn(&mut self, reason: &'static str, subject: &str, message: String) {
        self.tell(true, reason, subject, message);
    }

    fn tell(&mut self, warning: bool, reason: &'static str, subject: &str, message: String) {
        self.notes.push(Note {
            warning,
            reason,
            subject: subject.to_owned(),
            message,
        });
    }

    /// What is meant must be remembered before anything is written.
    pub(super) fn at_once(mut self) -> Self {
        self.again = Some(Duration::ZERO);
        self
    }

    pub(super) fn waiting(mut self, message: String, fault: bool) -> Self {
        self.wait = Some(Wait { message, fault });
        self.again.get_or_insert(SOON);
        self
    }

    /// What is waited on beside what was found before.
    pub(super) fn also_waiting(mut self, message: String, fault: bool) -> Self {
        let Some(wait) = &mut self.wait else {
            return self.waiting(message, fault);
        };
        wait.message = format!("{}; {message}", wait.message);
        wait.fault |= fault;
        self.again.get_or_insert(SOON);
        self
    }

    pub(super) fn writing(mut self, write: Write) -> Self {
        self.write = Some(write);
        self.again = Some(Duration::ZERO);
        self
    }

    pub(super) fn finish(mut self, outcome: Outcome, now: Timestamp) -> Self {
        let Some(active) = self.record.active.take() else {
            return self;
        };
        let keys: Vec<KeyName> = active.keys.iter().map(|turn| turn.key).collect();
        match outcome {
            Outcome::Switched => self.note("RotationSwitched", &active.id, switched(&active)),
            Outcome::Aborted => {
                let why = active.trouble.as_ref().unwrap_or(&active.reason);
                let (id, keys) = (&active.id, list(&keys));
                let message = format!("rotation {id} of {keys} was rolled back: {why}");
                self.warn("RotationAborted", id, message);
            }
        }
        let reason = active.trouble.unwrap_or(active.reason);
        self.record.last = Some(Finished {
            id: active.id,
            outcome,
            reason,
            keys,
            at: now,
        });
        self.at_once()
    }
}

// With its id: what was told a moment ago of an earlier one is not told again.
fn switched(active: &Active) -> String {
    let keys: Vec<KeyName> = active.keys.iter().map(|turn| turn.key).collect();
    let (id, keys) = (&active.id, list(&keys));
    match &active.trouble {
        None => format!("every pod uses the new versions of {keys}: rotation {id} is over"),
        Some(why) => format!(
            "the new versions of {keys} are current, and not every pod was heard to use them: \
             rotation {id} ends early: {why}"
        ),
    }
}

/// Decides on one step.
#[must_use]
pub fn decide(s: &Situation<'_>) -> Decision {
    // Whole seconds, as the API server keeps them.
    let now = Timestamp::from_second(s.now.as_second()).unwrap_or(s.now);
    let s = &Situation { now, ..s.clone() };
    let mut decision = Decision {
        record: s.record.clone(),
        ..Decision::default()
    };
    look(s, &mut decision);
    redis::forget(s, &mut decision.record);
    adopt(s, &mut decision);
    if decision.record.active != s.record.active {
        return decision.at_once();
    }
    let decision = match revoke::revocation(s, decision) {
        ControlFlow::Break(decided) => return decided,
        ControlFlow::Continue(undecided) => undecided,
    };
    if redis::leaves(s, &decision.record) {
        return redis::leave(s, decision);
    }
    if decision.record.active.is_some() {
        return active::advance(s, decision);
    }
    let decision = retire::retire(s, decision);
    if decision.write.is_some() || decision.again == Some(Duration::ZERO) {
        return decision;
    }
    begin::begin(s, decision)
}

/// Remembers what the document and the pods show.
fn look(s: &Situation<'_>, decision: &mut Decision) {
    for gone in decision.record.see(s.document, s.now) {
        let Removed { key, kid, .. } = &gone;
        let message = format!("{key}/{kid} is not in generation {}", gone.generation);
        decision.note("SecretVersionRemoved", kid.as_str(), message);
    }
    redis::left(s, decision);
    let mut proven = Vec::new();
    for gone in decision
        .record
        .removed
        .iter_mut()
        .filter(|gone| gone.refused_at.is_none())
    {
        let refused = ask(s.pods, gone.generation, |held| {
            let accepts = held.accepts(gone.key, &gone.kid);
            if accepts {
                Err("accepts it".into())
            } else {
                Ok(())
            }
        });
        if refused.is_reached() {
            gone.refused_at = Some(s.now);
            proven.push((gone.key, gone.kid.clone(), refused.total));
        } else {
            decision.wait = Some(Wait {
                message: format!("{}/{} is refused by {}", gone.key, gone.kid, refused.told()),
                fault: trigger::after(gone.at, active::PATIENCE) <= s.now,
            });
            let again = proof_again(gone, s.now);
            decision.again = Some(decision.again.map_or(again, |other| other.min(again)));
        }
    }
    for (key, kid, pods) in proven {
        let message = format!("{key}/{kid} is refused by all {pods} pods");
        decision.note("SecretVersionRefused", kid.as_str(), message);
    }
    let told = |trigger: Option<&String>, handled: &mut Option<String>| {
        if trigger.is_none() {
            *handled = None;
        }
    };
    let triggers = s.triggers;
    told(
        triggers.rotate.as_ref().map(|(text, _)| text),
        &mut decision.record.handled_rotate,
    );
    told(
        triggers.revoke.as_ref().map(|(text, _)| text),
        &mut decision.record.handled_revoke,
    );
}

fn proof_again(gone: &Removed, now: Timestamp) -> Duration {
    if now < trigger::after(gone.at, YOUNG) {
        EAGER
    } else {
        SOON
    }
}

/// Takes up what the document shows to be under way and nobody remembers.
fn adopt(s: &Situation<'_>, decision: &mut Decision) {
    if decision.record.active.is_some() {
        return;
    }
    let on_its_way = |view: &&KeyView| view.next.is_some() || view.prepared.is_some();
    let keys: Vec<Turn> = s
        .document
        .keys
        .iter()
        .filter(|(_, view)| on_its_way(view))
        .map(|(key, view)| turn(*key, &view.current.kid))
        .collect();
    if keys.is_empty() {
        return;
    }
    let mut active = intended(s, keys, "found in the document".into());
    // What is prepared alone is not staged yet.
    if s.document.keys.values().any(|view| view.next.is_some()) {
        active.step = Step::Stage;
    }
    decision.note(
        "RotationResumed",
        &active.id,
        "a rotation was found in the document".into(),
    );
    decision.record.active = Some(active);
}

pub(super) fn turn(key: KeyName, from: &Kid) -> Turn {
    let from = Some(from.clone());
    Turn { key, from }
}

pub(super) fn intended(s: &Situation<'_>, keys: Vec<Turn>, reason: String) -> Active {
    Active {
        id: format!("r{}-{}", s.document.generation.next(), s.now.as_second()),
        reason,
        keys,
        step: Step::Begin,
        begun_at: s.now,
        since: s.now,
        revoke: false,
        trouble: None,
        acknowledged: 0,
        total: 0,
        missing: Vec::new(),
    }
}

pub(super) fn list(keys: &[KeyName]) -> String {
    let names: Vec<_> = keys.iter().map(|key| key.as_str()).collect();
    names.join(", ")
}
