//! Versions in their grace.
//!
//! Owns [`retire`]: a previous version goes when its grace is over and every pod that can serve says
//! that it uses the successor (I-03). The grace counts from when all had left it; a pod that is seen to
//! use it again sets the clock back.

use std::ops::ControlFlow;
use std::time::Duration;

use erpgo_secret_set::{KeyName, Kid};
use jiff::Timestamp;

use super::active::{PATIENCE, uses};
use super::decide::Decision;
use super::errand::{taken, together};
use super::quorum::{Holding, ask};
use super::situation::{Edit, Redis, Situation, Write};
use super::trigger::after;
use super::view::KeyView;

/// The count of hashes must be younger than the switch: it is taken at least this often.
const PEPPER_GRACE: Duration = Duration::from_secs(600);
/// How far the clocks of two operators may be apart: by one a grace begins, by the other it ends.
const CLOCKS_APART: Duration = Duration::from_secs(1200);
/// Between two looks at what no watch tells of: hashes, connections.
const LOOK: Duration = Duration::from_secs(15);

/// Removes what may go, or says when it may.
pub(super) fn retire(s: &Situation<'_>, mut decision: Decision) -> Decision {
    let waiting: Vec<(KeyName, KeyView)> = s
        .document
        .keys
        .iter()
        .filter(|(_, view)| view.previous.is_some() && view.next.is_none())
        .filter(|(key, _)| !leaves(s, **key))
        .map(|(key, view)| (*key, view.clone()))
        .collect();
    let mut left = Vec::new();
    for (key, view) in waiting {
        let Some(old) = view.previous.map(|version| version.kid) else {
            continue;
        };
        switch(s, &mut decision, key, &old);
        // What was only now seen must be remembered before it counts.
        let switched = s
            .record
            .key(key)
            .filter(|seen| seen.previous.as_ref() == Some(&old));
        let since = switched.and_then(|seen| seen.switched_at);
        match since.filter(|_| is_switched(&decision, key)) {
            Some(since) => match still_needed(s, key, &old, since) {
                Ok(()) => left.push((key, old)),
                Err(look) => sooner(&mut decision, look),
            },
            None if is_switched(&decision, key) => sooner(&mut decision, Duration::ZERO),
            None => {
                let quorum = ask(s.pods, s.document.generation, |held| uses(s, held, &[key]));
                let wait = format!("{key}/{old} is left by {}", quorum.told());
                decision = decision.also_waiting(wait, false);
            }
        }
    }
    let (decision, ready) = without_passwords(s, decision, left);
    if ready.is_empty() {
        return decision;
    }
    let write = Write {
        rotation: format!("retire-{}", s.document.generation),
        on: s.document.generation,
        edit: Edit::Retire(ready),
    };
    decision.writing(write)
}

// What leaves goes whole: its logins are known no more, and could not lose their passwords first.
fn leaves(s: &Situation<'_>, key: KeyName) -> bool {
    key == KeyName::Redis && s.redis == Redis::Leaves
}

// Those of `left` whose logins have lost their passwords, or have none to lose.
fn without_passwords(
    s: &Situation<'_>,
    mut decision: Decision,
    left: Vec<(KeyName, Kid)>,
) -> (Decision, Vec<KeyName>) {
    let mut ready = Vec::new();
    for (key, old) in together(s, left) {
        match taken(s, decision, key, &old) {
            ControlFlow::Continue(gone) => {
                decision = gone;
                ready.push(key);
            }
            ControlFlow::Break(later) => decision = later,
        }
    }
    (decision, ready)
}

fn is_switched(decision: &Decision, key: KeyName) -> bool {
    let record = decision.record.key(key);
    record.is_some_and(|record| record.switched_at.is_some())
}

fn sooner(decision: &mut Decision, look: Duration) {
    decision.again = Some(decision.again.map_or(look, |again| again.min(look)));
}

// Notes when every pod has left `old`, or that one uses it again.
fn switch(s: &Situation<'_>, decision: &mut Decision, key: KeyName, old: &Kid) {
    let holdings = s.pods.iter().filter_map(|pod| pod.holding());
    let used = holdings.into_iter().any(|(_, held)| held.uses(key, old));
    let left = ask(s.pods, s.document.generation, |held| uses(s, held, &[key]));
    let Some(record) = decision.record.key_mut(key) else {
        return;
    };
    if used {
        record.switched_at = None;
    } else if left.is_reached() {
        record.switched_at.get_or_insert(s.now);
    }
}

// `Err` says when to look again.
fn still_needed(
    s: &Situation<'_>,
    key: KeyName,
    old: &Kid,
    since: Timestamp,
) -> Result<(), Duration> {
    let grace = match key {
        KeyName::Jwt => s.policy.jwt_grace.saturating_add(CLOCKS_APART),
        KeyName::Refresh => s.policy.refresh_grace.saturating_add(CLOCKS_APART),
        KeyName::Pepper => PEPPER_GRACE.saturating_add(CLOCKS_APART),
        KeyName::Database | KeyName::Redis => Duration::ZERO,
    };
    let end = after(since, grace);
    if s.now < end {
        let left = end.duration_since(s.now).unsigned_abs();
        return Err(left.max(Duration::from_secs(1)));
    }
    let all = ask(s.pods, s.document.generation, |held| {
        unneeded(s, held, key, old)
    });
    if all.is_reached() && (key != KeyName::Pepper || all.total > 0) {
        return Ok(());
    }
    // Old hashes may stay for months; connections go within minutes.
    Err(if key == KeyName::Pepper {
        PATIENCE
    } else {
        LOOK
    })
}

fn unneeded(s: &Situation<'_>, held: &Holding<'_>, key: KeyName, old: &Kid) -> Result<(), String> {
    uses(s, held, &[key])?;
    if held.drains(key, old) {
        return Err(format!("drains the old {key}"));
    }
    match (key, held.hashes(old)) {
        (KeyName::Pepper, None) => Err("has not counted the hashes of the old pepper".into()),
        (KeyName::Pepper, Some(count)) if count > 0 => Err(format!("counts {count} hashes")),
        _ => Ok(()),
    }
}
