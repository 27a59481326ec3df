//! Migrations that have succeeded and that pods miss all the same: the database was put back to an older state,
//! was lost, or its URL leads to another one.
//!
//! Owns the judgement, by how pods of the image end, and what is told. A pod never has migrations run again: where
//! the URL is wrong or the data are gone, they would make an empty shop that looks sound. A person does, by an
//! annotation that names the version of the database. Pure.

use erpgo_secret_set::Kid;

use super::build::pod::APP;
use super::names::MIGRATE;
use super::observed::{ContainerTerminated, JobFacts, Observed, PodComponent, PodFacts};
use super::phase::Waiting;
use super::reason;
use super::success;
use super::valid::ValidErpGo;

/// How the API ends when it finds migrations pending.
const EXIT_SCHEMA: i32 = 76;

/// A success that pods do not find.
pub(super) struct Undone<'a> {
    pod: &'a str,
    /// The version of the database that is current.
    version: &'a Kid,
}

/// Whether pods of `image` have missed its migrations since their Job ended.
pub(super) fn look<'a>(image: &str, seen: &'a Observed) -> Option<Undone<'a>> {
    let version = success::current(seen)?;
    let pod = &missing(image, seen)?.name;
    Some(Undone { pod, version })
}

/// Whether that cannot be judged: pods have missed something, and nobody can tell which version is current.
pub(super) fn is_unclear(image: &str, seen: &Observed) -> bool {
    success::current(seen).is_none() && missing(image, seen).is_some()
}

fn missing<'a>(image: &str, seen: &'a Observed) -> Option<&'a PodFacts> {
    let job = seen.migration_job.as_ref();
    seen.pods.iter().find(|pod| misses(image, pod, job))
}

fn misses(image: &str, pod: &PodFacts, job: Option<&JobFacts>) -> bool {
    let begins = !pod.ready && !pod.terminating && !pod.ended;
    let end = pod.terminated.as_ref();
    pod.component == PodComponent::Api
        && pod.image == image
        && begins
        && end.is_some_and(|end| is_it(end) && !is_past(end, job))
}

fn is_it(end: &ContainerTerminated) -> bool {
    end.container == APP && end.exit_code == EXIT_SCHEMA
}

// The next start of such a pod finds what the Job has done since.
fn is_past(end: &ContainerTerminated, job: Option<&JobFacts>) -> bool {
    let done = job.and_then(|job| job.finished_at);
    let times = end.finished_at.zip(done);
    times.is_some_and(|(ended, done)| ended <= done)
}

impl Undone<'_> {
    /// Whether a person has said that the migrations may run there.
    pub(super) fn may_be_redone(&self, app: &ValidErpGo) -> bool {
        app.migrate.as_deref() == Some(self.version.as_str())
    }

    /// What stands in the way until then.
    pub(super) fn waiting(&self, app: &ValidErpGo) -> Waiting {
        let Self { pod, version } = self;
        Waiting::fault(
            reason::SCHEMA_BEHIND,
            format!(
                "the migrations of {} have succeeded, and the pod {pod} misses them (exit code {EXIT_SCHEMA}): the database was put back to an older state or lost, or its URL leads to another one",
                app.image
            ),
            format!(
                "if pods are to use what is there now, annotate this ErpGo with {MIGRATE}={version}: the migrations then run there once more; if not, restore the database or correct its URL"
            ),
        )
    }
}
