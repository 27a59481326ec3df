//! Pods that refuse the secret set which the operator finds valid.
//!
//! Owns what is told of them and whether it was altered under their hands. A pod takes up no document whose
//! generation is not above the one that it holds: what somebody edited and left the generation as it was
//! reaches only pods that start later, and those would sign with another value under the same kid. Pure; it
//! must never tell more than names and numbers (I-04).

use erpgo_secret_set::{ErrorClass, Generation, ToldClass};

use super::observed::{Observed, PodFacts};
use super::phase::Waiting;
use super::reason;
use super::text::listed;

/// Which pods refuse the set, why, and the way out.
#[must_use]
pub fn waiting(seen: &Observed) -> Option<Waiting> {
    let found = seen.secret_set.generation()?;
    let names: Vec<String> = refusing(seen).map(|pod| pod.name.clone()).collect();
    if names.is_empty() {
        return None;
    }
    let cause = format!(
        "{} pods refuse generation {found} of the secret set that is in the backend and go on with what they have: {}",
        names.len(),
        listed(names)
    );
    let (why, way_out) = match not_below(found, seen) {
        Some(newest) => (
            format!(
                "; it is not what they hold, which has generation {newest}, or no answer that they can read"
            ),
            format!(
                "see kubectl logs POD -c secrets; if it was altered, put back what was there, or raise its generation above {newest}: until then pods that start use another set than these; no rotation begins"
            ),
        ),
        None => (
            String::new(),
            "see kubectl logs POD -c secrets; no rotation begins until they take it up".to_owned(),
        ),
    };
    Some(Waiting::fault(
        reason::SECRET_SET_INVALID,
        format!("{cause}{why}"),
        way_out,
    ))
}

/// Whether the document is not what pods hold under its generation or a later one: the next generation would
/// give it to all of them at once.
#[must_use]
pub fn is_altered(seen: &Observed) -> bool {
    seen.secret_set
        .generation()
        .is_some_and(|found| not_below(found, seen).is_some())
}

/// The newest generation that they hold, if it is `found` or a later one.
fn not_below(found: Generation, seen: &Observed) -> Option<Generation> {
    let newest = refusing(seen).filter_map(held).max();
    newest.filter(|newest| *newest >= found)
}

fn refusing(seen: &Observed) -> impl Iterator<Item = &PodFacts> {
    let stays = |pod: &&PodFacts| !pod.terminating && !pod.ended;
    seen.pods.iter().filter(stays).filter(|pod| refuses(pod))
}

fn refuses(pod: &PodFacts) -> bool {
    let malformed = ToldClass::Known(ErrorClass::Malformed);
    pod.failure() == Some(&malformed)
}

fn held(pod: &PodFacts) -> Option<Generation> {
    pod.secrets.as_ref()?.rendered_generation
}
