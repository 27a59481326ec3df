//! What is told of a rotation: its condition and its Events.
//!
//! Owns both. Messages carry kids, counts and names of pods, never a value (I-04).

use erpgo_crds::ConditionType;

use super::plan::Plan;
use super::reason;
use super::status::{self, EventNote, Verdict};
use crate::rotation::{Active, Decision, Outcome, Step};

/// The condition RotationInProgress.
pub(super) fn told(plan: &Plan) -> Verdict {
    let type_ = ConditionType::RotationInProgress;
    let Some(decided) = &plan.rotation else {
        let message = "no rotation has begun";
        return status::told(type_, false, reason::NOT_ROTATING, message);
    };
    if let Some(active) = &decided.record.active {
        return status::told(type_, true, reason::ROTATING, under_way(active, decided));
    }
    let last = decided.record.last.as_ref();
    if let Some(last) = last.filter(|last| last.outcome == Outcome::Aborted) {
        let (id, why, fault) = (&last.id, &last.reason, fault(decided));
        let message = format!("{id} was rolled back: {why}{fault}");
        return status::told(type_, false, reason::ROTATION_ABORTED, message);
    }
    let old: Vec<&str> = decided
        .record
        .keys
        .iter()
        .filter_map(|key| key.previous.as_ref())
        .map(|kid| kid.as_str())
        .collect();
    if old.is_empty() {
        let message = format!("each key has one version{}", fault(decided));
        return status::told(type_, false, reason::NOT_ROTATING, message);
    }
    let wait = decided.wait.as_ref();
    let wait = wait.map_or(String::new(), |wait| format!("; {}", wait.message));
    let message = format!("still accepted for a while: {}{wait}", old.join(", "));
    status::told(type_, false, reason::IN_GRACE, message)
}

// What a person must look at though nothing is under way.
fn fault(decided: &Decision) -> String {
    let fault = decided.wait.as_ref().filter(|wait| wait.fault);
    fault.map_or(String::new(), |wait| format!("; {}", wait.message))
}

fn under_way(active: &Active, decided: &Decision) -> String {
    let step = match active.step {
        Step::Begin => "begins",
        Step::Stage => "waits until every pod accepts the next versions",
        Step::Promote => "waits until every pod uses the new versions",
        Step::Abort => "is rolled back",
    };
    let wait = decided.wait.as_ref();
    let wait = wait.map_or(String::new(), |wait| format!(": {}", wait.message));
    format!("{} {step}{wait}", active.id)
}

/// One Event for each thing that happened.
pub(super) fn events(plan: &Plan) -> impl Iterator<Item = EventNote> {
    let notes = plan.rotation.iter().flat_map(|decided| &decided.notes);
    notes.map(|note| EventNote {
        warning: note.warning,
        reason: note.reason,
        action: "Rotate",
        message: note.message.clone(),
    })
}
