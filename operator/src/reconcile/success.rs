//! A success of migrations, and the version of the database for which it counts.
//!
//! Owns the judgement: it counts for the version that was current when its Job was made, until each pod has
//! the image. From then on it counts for every version, since none becomes current that a pod refuses for
//! its schema. The Job bears the version as an annotation, and the status says it when the Job is gone.
//! While nobody can tell which is current, it counts for what is rolled out already alone. Pure.

use erpgo_crds::{ErpGoStatus, MigrationStatus};
use erpgo_secret_set::{KeyName, Kid, first_kid};

use super::observed::{JobFacts, JobState, Observed, SecretSetState};
use super::phase::Phase;
use super::plan::Plan;
use crate::rotation::KeyView;

/// The word for it in the status.
pub(super) const WORD: &str = "Succeeded";

fn database(seen: &Observed) -> Option<&KeyView> {
    seen.document.as_ref()?.keys.get(&KeyName::Database)
}

/// The version that is current, when that is known.
pub(super) fn current(seen: &Observed) -> Option<&Kid> {
    database(seen).map(|database| &database.current.kid)
}

/// The version for which a Job is made now; none when nobody can tell.
pub(super) fn made_for(seen: &Observed) -> Option<Kid> {
    // The first generation is written before the Job.
    let is_first = seen.secret_set == SecretSetState::Absent;
    let first = || is_first.then(|| first_kid(KeyName::Database));
    current(seen).cloned().or_else(first)
}

/// Whether the success of `job` counts for the version that is current.
pub(super) fn counts(
    image: &str,
    job: &JobFacts,
    status: Option<&ErpGoStatus>,
    seen: &Observed,
) -> bool {
    is_current(image, job.database.as_deref(), seen) || is_rolled_out(image, status, seen)
}

/// The same, of a success that the status remembers: the Job may have been removed since.
pub(super) fn is_recorded(image: &str, status: Option<&ErpGoStatus>, seen: &Observed) -> bool {
    let recorded = recorded(image, status);
    recorded.is_some_and(|done| is_current(image, done.database.as_deref(), seen))
}

fn recorded<'a>(image: &str, status: Option<&'a ErpGoStatus>) -> Option<&'a MigrationStatus> {
    let recorded = status?.migration.as_ref()?;
    (recorded.image == image && recorded.state == WORD).then_some(recorded)
}

// A version that an older operator did not note stands in no way.
fn is_current(image: &str, version: Option<&str>, seen: &Observed) -> bool {
    if seen.secret_set.generation().is_none() {
        return is_live(image, seen);
    }
    let pair = version.zip(current(seen));
    pair.is_none_or(|(version, current)| version == current.as_str())
}

fn is_live(image: &str, seen: &Observed) -> bool {
    let live = seen.deployment.as_ref();
    live.is_some_and(|live| live.image == image)
}

fn is_rolled_out(image: &str, status: Option<&ErpGoStatus>, seen: &Observed) -> bool {
    let recorded = recorded(image, status);
    is_live(image, seen) && recorded.is_some_and(|done| done.database.is_none())
}

/// Whether pods of `image`, of which there are none yet, would begin while the version of the database is
/// about to be another one. That takes minutes at most: it is promoted or rolled back.
pub(super) fn is_at_stake(image: &str, seen: &Observed) -> bool {
    let is_staged = database(seen).is_some_and(|database| database.next.is_some());
    is_staged && seen.deployment.is_some() && !is_live(image, seen)
}

/// Whether a success that the status remembers waits for that.
pub(super) fn is_held(image: &str, seen: &Observed, old: &ErpGoStatus) -> bool {
    is_at_stake(image, seen) && is_recorded(image, Some(old), seen)
}

/// The version for which the status is to say that a success on `image` counts; none when for all.
pub(super) fn version(
    image: &str,
    plan: &Plan,
    seen: &Observed,
    old: &ErpGoStatus,
) -> Option<String> {
    // A promotion that cannot be seen may have been too early for the last of the pods.
    let is_settled = plan.phase == Phase::Settled && current(seen).is_some();
    if is_settled || is_rolled_out(image, Some(old), seen) {
        return None;
    }
    let job = seen.migration_job.as_ref();
    let job = job.filter(|job| job.state == JobState::Succeeded);
    let before = || recorded(image, Some(old))?.database.clone();
    job.and_then(|job| job.database.clone())
        .or_else(before)
        .or_else(|| current(seen).map(Kid::to_string))
}
