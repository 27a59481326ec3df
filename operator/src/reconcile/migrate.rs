//! How the wanted image's migrations stand and what is done about it.
//!
//! Owns [`Migration`] and the retry rules of its Job: a temporary failure is tried again, later each
//! time; an SQL error and a refusal stay until the spec changes; a configuration fault stays until
//! what the Job was made with changes. For which database a success counts, `success.rs` says, and what follows
//! when pods miss it, `undone.rs`. Pure.

use std::time::Duration;

use erpgo_crds::{ErpGo, ErpGoStatus, MigrationStatus};
use jiff::Timestamp;

use super::build::migration_job::{EXIT_CONFIG, EXIT_REFUSED, EXIT_SQL};
use super::names;
use super::observed::{JobFacts, JobState, MigrationReport, Observed, PodComponent};
use super::phase::{self, Waiting};
use super::plan::{Effect, JobDeletion, Plan};
use super::reason;
use super::success;
use super::text::bounded_to;
use super::undone;
use super::unready;
use super::valid::{Bootstrap, ValidErpGo};

const FIRST_RETRY_SECONDS: u64 = 30;
const LAST_RETRY_SECONDS: u64 = 300;

/// Longest cause, in bytes: with the way out it stays below what a condition's message may have.
const MAX_CAUSE: usize = 900;
/// The kubelet's word for a container that wanted more memory than its limit.
const OOM_KILLED: &str = "OOMKilled";

/// How the wanted image's migrations stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migration {
    /// Not begun.
    Pending,
    /// The Job runs or is to be made.
    Running,
    /// They have succeeded.
    Succeeded,
    /// The Job failed and is made anew in this plan or later.
    Retrying,
    /// The Job failed and stays until something changes.
    Stopped,
}

/// The stand, and what follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// How they stand.
    pub migration: Migration,
    /// Attempt that the wanted Job is or will be; none when no Job is needed.
    pub attempt: Option<u32>,
    /// What is waited on.
    pub waiting: Option<Waiting>,
    /// Jobs to be deleted.
    pub effects: Vec<Effect>,
    /// When to look again.
    pub after: Option<Duration>,
}

/// Judges the migrations of `app`'s image.
#[must_use]
pub fn standing(
    app: &ValidErpGo,
    seen: &Observed,
    status: Option<&ErpGoStatus>,
    made_with: &str,
    now: Timestamp,
) -> Standing {
    let mut standing = match &seen.migration_job {
        None if success::is_recorded(&app.image, status, seen) => {
            unless_undone(app, seen, done(app, None, seen), now)
        }
        None => running(app, seen, 1, now),
        Some(job) => match job.state {
            JobState::Succeeded if success::counts(&app.image, job, status, seen) => {
                unless_undone(app, seen, done(app, Some(job.attempt), seen), now)
            }
            JobState::Succeeded => moved(app, job),
            JobState::Running if is_outdated(job, made_with) => again_at_once(job),
            JobState::Running => running(app, seen, job.attempt, now),
            JobState::Failed => failed(app, job, made_with, now),
        },
    };
    let is_done = standing.migration == Migration::Succeeded;
    standing.effects.extend(
        seen.other_migration_jobs
            .iter()
            .filter_map(|job| superseded(job, is_done)),
    );
    standing
}

fn plain(migration: Migration, attempt: Option<u32>) -> Standing {
    Standing {
        migration,
        attempt,
        waiting: None,
        effects: Vec::new(),
        after: None,
    }
}

/// Whether the migrations of `app`'s image are known to have succeeded.
#[must_use]
pub fn succeeded(app: &ValidErpGo, status: Option<&ErpGoStatus>, seen: &Observed) -> bool {
    let counts = |job: &JobFacts| {
        job.state == JobState::Succeeded && success::counts(&app.image, job, status, seen)
    };
    seen.migration_job.as_ref().is_some_and(counts)
        || success::is_recorded(&app.image, status, seen)
}

/// What the status is to say of them.
#[must_use]
pub fn told(
    erpgo: &ErpGo,
    plan: &Plan,
    seen: &Observed,
    old: &ErpGoStatus,
) -> Option<MigrationStatus> {
    let image = &erpgo.spec.image;
    let (state, database) = match plan.migration {
        Migration::Pending => return old.migration.clone(),
        // Without its Job nothing else remembers it.
        Migration::Running if success::is_held(image, seen, old) => return old.migration.clone(),
        Migration::Running | Migration::Retrying => ("Running", None),
        Migration::Succeeded => (success::WORD, success::version(image, plan, seen, old)),
        Migration::Stopped => ("Failed", None),
    };
    Some(MigrationStatus {
        job: names::migration_job(erpgo),
        image: image.clone(),
        state: state.to_owned(),
        database,
    })
}

fn done(app: &ValidErpGo, attempt: Option<u32>, seen: &Observed) -> Standing {
    let done = plain(Migration::Succeeded, attempt);
    if !success::is_at_stake(&app.image, seen) {
        return done;
    }
    let cause = format!(
        "the migrations of {} have succeeded, and the URL of the database is being changed",
        app.image
    );
    Standing {
        migration: Migration::Running,
        waiting: Some(Waiting::passing(
            reason::MIGRATING,
            cause,
            "nothing to do, pods begin when it is settled; the version that serves goes on",
        )),
        ..done
    }
}

fn unless_undone(app: &ValidErpGo, seen: &Observed, done: Standing, now: Timestamp) -> Standing {
    let undone = undone::look(&app.image, seen);
    let Some(undone) = undone.filter(|_| done.migration == Migration::Succeeded) else {
        return done;
    };
    if !undone.may_be_redone(app) {
        return Standing {
            waiting: Some(undone.waiting(app)),
            ..done
        };
    }
    let cause = format!("pods miss the migrations of {} in the database", app.image);
    match &seen.migration_job {
        Some(job) => once_more(job, cause, JobDeletion::Undone),
        None => running(app, seen, 1, now),
    }
}

fn moved(app: &ValidErpGo, job: &JobFacts) -> Standing {
    let cause = format!(
        "the URL of the database has changed since the migrations of {} ran",
        app.image
    );
    once_more(job, cause, JobDeletion::Moved)
}

fn once_more(job: &JobFacts, cause: String, because: JobDeletion) -> Standing {
    Standing {
        waiting: Some(Waiting::passing(
            reason::MIGRATING,
            cause,
            "nothing to do, they run once more; the version that serves goes on",
        )),
        effects: vec![delete(job, because)],
        ..plain(Migration::Running, Some(1))
    }
}

fn running(app: &ValidErpGo, seen: &Observed, attempt: u32, now: Timestamp) -> Standing {
    let (pods, image) = (PodComponent::Migration, &app.image);
    let trouble = phase::pods(seen, pods, image)
        .or_else(|| unready::sidecar(seen, pods, image, now))
        .or_else(|| phase::pods_refused(seen.migration_job.as_ref()?))
        .or_else(|| last_end(seen.migration_job.as_ref()?));
    let usual = || {
        Waiting::passing(
            reason::MIGRATING,
            format!(
                "the Job {} runs the migrations of {}",
                app.migration_job, app.image
            ),
            "nothing to do; the version that serves goes on",
        )
    };
    Standing {
        waiting: Some(trouble.unwrap_or_else(usual)),
        ..plain(Migration::Running, Some(attempt))
    }
}

// A pod of the running Job has failed and another one follows.
fn last_end(job: &JobFacts) -> Option<Waiting> {
    let failed = match &job.report {
        Some(report) => report.retryable || report.error.is_some(),
        // One that was killed or panicked reports nothing.
        None => job.exit_code.is_some_and(|code| code != 0),
    };
    failed.then(|| tried_again(job, "it is tried again by itself".to_owned()))
}

fn failed(app: &ValidErpGo, job: &JobFacts, made_with: &str, now: Timestamp) -> Standing {
    if stays(job, made_with) {
        return Standing {
            waiting: Some(stopped(app, job)),
            ..plain(Migration::Stopped, Some(job.attempt))
        };
    }
    let due = due_in(job, now);
    if due.is_zero() || job.made_with.as_deref() != Some(made_with) {
        return again_at_once(job);
    }
    Standing {
        waiting: Some(retrying(job, due)),
        after: Some(due),
        ..plain(Migration::Retrying, Some(job.attempt))
    }
}

fn again_at_once(job: &JobFacts) -> Standing {
    Standing {
        waiting: Some(retrying(job, Duration::ZERO)),
        effects: vec![delete(job, JobDeletion::Retry)],
        ..plain(Migration::Retrying, Some(job.attempt.saturating_add(1)))
    }
}

// Its pods fail with settings or secrets that have been replaced: the next pod may be minutes away.
fn is_outdated(job: &JobFacts, made_with: &str) -> bool {
    let failing = job.report.as_ref().is_some_and(|report| report.retryable);
    failing && job.made_with.as_deref() != Some(made_with)
}

fn stays(job: &JobFacts, made_with: &str) -> bool {
    match job.exit_code {
        Some(EXIT_SQL | EXIT_REFUSED) => true,
        Some(EXIT_CONFIG) => job.made_with.as_deref() == Some(made_with),
        _ => false,
    }
}

fn due_in(job: &JobFacts, now: Timestamp) -> Duration {
    let doublings = job.attempt.saturating_sub(1).min(8);
    let wait = (FIRST_RETRY_SECONDS << doublings).min(LAST_RETRY_SECONDS);
    let gone = job
        .finished_at
        .map_or(0, |finished| now.as_second() - finished.as_second());
    Duration::from_secs(wait.saturating_sub(u64::try_from(gone).unwrap_or(0)))
}

fn stopped(app: &ValidErpGo, job: &JobFacts) -> Waiting {
    let cause = cause(job);
    match job.exit_code {
        Some(EXIT_REFUSED) => Waiting::fault(
            reason::MIGRATION_REFUSED,
            cause,
            "set spec.migrations.allowDestructive to true once the data may go; the version that serves goes on",
        ),
        Some(EXIT_CONFIG) => Waiting::fault(reason::MIGRATION_FAILED, cause, config_way_out(app)),
        _ => Waiting::fault(
            reason::MIGRATION_FAILED,
            cause,
            format!(
                "set spec.image to an image with a corrected migration instead of {}; the version that serves goes on",
                app.image
            ),
        ),
    }
}

fn config_way_out(app: &ValidErpGo) -> String {
    let what = match &app.bootstrap {
        Bootstrap::Generated => "the settings or the secret set".to_owned(),
        Bootstrap::Given(name) => {
            format!("the settings, the secret set or the first administrator in the Secret {name}")
        }
    };
    format!("correct {what}; it is then tried again by itself")
}

fn retrying(job: &JobFacts, due: Duration) -> Waiting {
    tried_again(job, format!("it is tried again in {} s", due.as_secs()))
}

// Of memory there is no more by itself.
fn tried_again(job: &JobFacts, when: String) -> Waiting {
    let way_out = match job.end_reason.as_deref() {
        Some(OOM_KILLED) => format!("raise spec.resources.memoryLimit; {when}"),
        _ => when,
    };
    Waiting::fault(reason::MIGRATION_RETRYING, cause(job), way_out)
}

fn cause(job: &JobFacts) -> String {
    match &job.report {
        Some(report) => describe(job, report),
        None => unreported(job),
    }
}

// All that is known of it: the words of the Job's controller and of the kubelet, and the log's end.
fn unreported(job: &JobFacts) -> String {
    let words = [&job.reason, &job.end_reason].into_iter().flatten();
    let words: Vec<&str> = words.map(String::as_str).collect();
    let why = match words.is_empty() {
        true => "unknown reason".to_owned(),
        false => words.join(", "),
    };
    let whose = match job.state {
        JobState::Running => "a pod of the migration Job",
        JobState::Succeeded | JobState::Failed => "the migration Job",
    };
    let code = job
        .exit_code
        .map_or_else(|| "unknown".to_owned(), |code| code.to_string());
    let mut text = format!(
        "{whose} {} failed ({why}, exit code {code}) and left no report",
        job.name
    );
    if let Some(tail) = &job.tail {
        text.push_str(": ");
        text.push_str(tail);
    }
    bounded_to(&text, MAX_CAUSE)
}

fn describe(job: &JobFacts, report: &MigrationReport) -> String {
    let mut text = match &report.migration {
        Some(migration) => format!("migration {migration} of {} did not go through", job.image),
        None => format!("the migrations of {} did not go through", job.image),
    };
    for (label, part) in [("", &report.error), ("statement: ", &report.statement)] {
        if let Some(part) = part {
            text.push_str(": ");
            text.push_str(label);
            text.push_str(part.trim());
        }
    }
    bounded_to(&text, MAX_CAUSE)
}

fn superseded(job: &JobFacts, wanted_is_done: bool) -> Option<Effect> {
    match job.state {
        JobState::Succeeded if wanted_is_done => Some(delete(job, JobDeletion::Outlived)),
        JobState::Succeeded => None,
        JobState::Running | JobState::Failed => Some(delete(job, JobDeletion::Superseded)),
    }
}

fn delete(job: &JobFacts, because: JobDeletion) -> Effect {
    Effect::DeleteMigrationJob {
        name: job.name.clone(),
        uid: job.uid.clone(),
        resource_version: job.resource_version.clone(),
        because,
    }
}
