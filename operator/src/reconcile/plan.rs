//! What is to be done, decided in full before anything is written.
//!
//! Owns [`Plan`] and [`plan`]. Pure: no client, no clock, no environment. The same spec and
//! observation give the same plan, so that a restart resumes where it was (I-10) and rest stays rest
//! (I-05).

use erpgo_crds::{ErpGo, ErpGoStatus, ServingSidecar};
use jiff::Timestamp;

use super::autoscaler;
use super::build::deployment::Images;
use super::build::migration_job::MigrationRun;
use super::build::{self, Decided, Desired};
use super::check::{self, Note};
use super::config::Config;
use super::connections;
use super::migrate::{self, Migration, Standing};
use super::names::{SPEC_HASH, short_hash};
use super::observed::{JobFacts, JobState, Observed, PodComponent, SecretSetState, SecretSource};
use super::phase::{self, Phase, Waiting};
use super::redis;
use super::refused;
use super::requeue::{self, Requeue};
use super::rotation;
use super::sidecar;
use super::sources;
use super::stale;
use super::success;
use super::unready;
use super::valid::{Bootstrap, ValidErpGo};
use super::validate::{Invalid, validate};
use crate::audience::Audience;
use crate::rotation::{Decision, Write};

/// One reconcile's intentions.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// How far the `ErpGo` is.
    pub phase: Phase,
    /// What stands in the way, when something does.
    pub waiting: Option<Waiting>,
    /// Why the spec is refused; not empty in [`Phase::Invalid`] alone.
    pub invalid: Vec<Invalid>,
    /// How the wanted image's migrations stand.
    pub migration: Migration,
    /// Image of the Deployment; none until one may serve (I-01).
    pub serving_image: Option<String>,
    /// Sidecar beside it.
    pub serving_sidecar: Option<ServingSidecar>,
    /// Every object that is wanted. `None`: write nothing and prune nothing.
    pub desired: Option<Desired>,
    /// To be done in this order: the write of secrets, which comes last, after `desired` is applied, and
    /// all others before.
    pub effects: Vec<Effect>,
    /// When to look again if no watch fires.
    pub requeue: Requeue,
    /// What the linter says of `desired`.
    pub notes: Vec<Note>,
    /// Why the database may have too few connections for the pods.
    pub shortage: Option<String>,
    /// How the rotation of secrets goes on, when there is a secret set.
    pub rotation: Option<Decision>,
}

/// Something beside server-side apply. Each is idempotent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Create the Secret `NAME-control` unless it exists.
    EnsureControlToken,
    /// Write the first generation of the secret set unless there is one.
    EnsureFirstGeneration,
    /// Take over the URLs of the user's Secrets where the document holds others; only before
    /// something serves.
    FollowSources,
    /// Create the Secret `NAME-admin` unless it exists.
    EnsureAdminSecret,
    /// Write the next generation of the secret set, and tell the pods at once.
    WriteSecrets {
        /// What changes.
        write: Write,
        /// Who is told.
        pods: Audience,
    },
    /// Delete a migration Job, with its pods in the background. Jobs are deleted by this effect
    /// alone: prune leaves them be.
    DeleteMigrationJob {
        /// Name of the Job.
        name: String,
        /// Precondition (I-11).
        uid: String,
        /// Precondition (I-11).
        resource_version: String,
        /// Why.
        because: JobDeletion,
    },
}

/// Why a migration Job goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobDeletion {
    /// It failed and may be tried again.
    Retry,
    /// It succeeded, and the URL of the database has changed since.
    Moved,
    /// It succeeded, pods miss its migrations, and a person has them run again.
    Undone,
    /// Another image is wanted and this one is unfinished or failed.
    Superseded,
    /// Another image's Job has succeeded.
    Outlived,
}

/// Decides what is to be done.
#[must_use]
pub fn plan(erpgo: &ErpGo, seen: &Observed, config: &Config, now: Timestamp) -> Plan {
    if erpgo.spec.paused {
        return nothing(erpgo, Phase::Paused, Vec::new());
    }
    match validate(erpgo) {
        Ok(app) => decide(&app, erpgo.status.as_ref(), seen, config, now),
        Err(invalid) => nothing(erpgo, Phase::Invalid, invalid),
    }
}

fn nothing(erpgo: &ErpGo, phase: Phase, invalid: Vec<Invalid>) -> Plan {
    let status = erpgo.status.as_ref();
    Plan {
        phase,
        waiting: None,
        invalid,
        migration: Migration::Pending,
        serving_image: status.and_then(|status| status.serving_image.clone()),
        serving_sidecar: status.and_then(|status| status.serving_sidecar.clone()),
        desired: None,
        effects: Vec::new(),
        requeue: Requeue::AwaitChange,
        notes: Vec::new(),
        shortage: None,
        rotation: None,
    }
}

fn decide(
    app: &ValidErpGo,
    status: Option<&ErpGoStatus>,
    seen: &Observed,
    config: &Config,
    now: Timestamp,
) -> Plan {
    let missing = phase::missing(app, status, seen);
    let made_with = made_with(app, seen);
    let standing = match &missing {
        None => migrate::standing(app, seen, status, &made_with, now),
        Some(_) => unprepared(app, status, seen),
    };
    let serving_image = serving_image(app, status, seen, standing.migration);
    let sidecar_of = |image: &str| sidecar::choose(app, image, status, seen, config);
    let serving_sidecar = serving_image.as_deref().map(sidecar_of);
    let run = |attempt| migration_run(app, seen, attempt, made_with, sidecar_of(&app.image).image);
    // Before anything serves, URLs follow their sources.
    let rotation = serving_image
        .as_ref()
        .and_then(|_| rotation::rotation(app, status, seen, now));
    let decided = Decided {
        errands: rotation::errands(rotation.as_ref(), seen, serving_image.as_deref()),
        migration: standing.attempt.map(run),
        images: images(serving_image.as_deref(), serving_sidecar.as_ref()),
        apis: seen.available_apis,
        operator_namespace: &config.operator_namespace,
    };
    let desired = build::desired(app, &decided);
    let rolling = serving_image
        .as_ref()
        .and_then(|image| rollout(app, seen, image, &desired, now));
    // A backend that goes away later takes nothing from pods that hold the last good set.
    let prepared = missing.is_none() || standing.migration == Migration::Succeeded;
    let phase = phase::phase(prepared, standing.migration, rolling.is_none());
    let mut effects = preparations(app, status, seen, missing.is_some());
    if standing.migration != Migration::Succeeded && serving_image.is_none() {
        effects.extend(follow(seen));
    }
    effects.extend(standing.effects.iter().cloned());
    effects.extend(rotation::effect(rotation.as_ref(), seen));
    let waiting = missing
        .or(phase::refusal(seen))
        .or(refused::waiting(seen))
        .or(standing.waiting)
        .or(rolling.clone().filter(|rolling| rolling.fault))
        .or(phase::dependencies(app, seen))
        .or(sources::unusable(app, seen))
        .or(unready::login_admins(app, seen))
        .or(least(app, seen, rotation.as_ref(), rolling, now));
    checked(Plan {
        phase,
        requeue: requeue::requeue(phase, waiting.as_ref(), standing.after, seen)
            .or_sooner(rotation.as_ref().and_then(|decided| decided.again)),
        rotation,
        waiting,
        invalid: Vec::new(),
        migration: standing.migration,
        serving_image,
        serving_sidecar,
        notes: check::check(&desired),
        shortage: connections::shortage(app, seen),
        desired: Some(desired),
        effects,
    })
}

// What is told when nothing else is in the way.
fn least(
    app: &ValidErpGo,
    seen: &Observed,
    rotation: Option<&Decision>,
    rolling: Option<Waiting>,
    now: Timestamp,
) -> Option<Waiting> {
    // A rollout may take the pods along of which it would be told.
    let rests = rolling.is_none();
    let lasting = || stale::waiting(seen, now).or_else(|| autoscaler::waiting(app, seen, now));
    let lasting = rests.then(lasting).flatten();
    worse(rolling, worse(lasting, redis::waiting(app, seen, rotation)))
}

// What a person must mend is told before what passes by itself.
fn worse(one: Option<Waiting>, other: Option<Waiting>) -> Option<Waiting> {
    if other.as_ref().is_some_and(|waiting| waiting.fault) {
        return other;
    }
    one.or(other)
}

// What breaks an invariant is not applied, whoever built it.
fn checked(plan: Plan) -> Plan {
    if plan.notes.iter().all(|note| !note.fatal) {
        return plan;
    }
    Plan {
        phase: Phase::Invalid,
        desired: None,
        effects: Vec::new(),
        rotation: None,
        requeue: Requeue::AwaitChange,
        ..plan
    }
}

// Without a usable secret set no Job is begun; one that has succeeded counts for what is rolled out.
fn unprepared(app: &ValidErpGo, status: Option<&ErpGoStatus>, seen: &Observed) -> Standing {
    let done = migrate::succeeded(app, status, seen);
    let migration = if done {
        Migration::Succeeded
    } else {
        Migration::Pending
    };
    Standing {
        migration,
        attempt: None,
        waiting: None,
        effects: Vec::new(),
        after: None,
    }
}

fn migration_run(
    app: &ValidErpGo,
    seen: &Observed,
    attempt: u32,
    made_with: String,
    sidecar_image: String,
) -> MigrationRun {
    MigrationRun {
        attempt,
        made_with,
        database: success::made_for(seen).map(String::from),
        bootstrap: bootstrap_secret(app, seen),
        sidecar_image,
    }
}

fn bootstrap_secret(app: &ValidErpGo, seen: &Observed) -> Option<String> {
    match &app.bootstrap {
        Bootstrap::Generated if seen.admin_secret || seen.deployment.is_none() => {
            Some(app.names.admin())
        }
        Bootstrap::Generated => None,
        Bootstrap::Given(name) => {
            let there = seen.bootstrap_secret == Some(SecretSource::Present);
            there.then(|| name.clone())
        }
    }
}

/// The image of the Deployment: the wanted one once its migrations have succeeded, until then the
/// one that serves (I-01).
fn serving_image(
    app: &ValidErpGo,
    status: Option<&ErpGoStatus>,
    seen: &Observed,
    migration: Migration,
) -> Option<String> {
    if migration == Migration::Succeeded {
        return Some(app.image.clone());
    }
    let recorded = status.and_then(|status| status.serving_image.clone());
    let live = seen.deployment.as_ref().map(|live| live.image.clone());
    // The live image counts when its migrations are known to have succeeded: an operator that ended
    // before it could record it must not go back.
    let migrated = |image: &String| {
        let of_image = |job: &&JobFacts| &job.image == image && job.state == JobState::Succeeded;
        seen.other_migration_jobs.iter().find(of_image).is_some()
    };
    live.clone().filter(migrated).or(recorded).or(live)
}

fn images(image: Option<&str>, sidecar: Option<&ServingSidecar>) -> Option<Images> {
    let (image, sidecar) = image.zip(sidecar)?;
    Some(Images {
        app: image.to_owned(),
        sidecar: sidecar.image.clone(),
    })
}

// Settings reach running pods by themselves, so that only a Job that they stopped cares. So it is with a given
// first administrator; the values of a generated one are drawn, and refused by nobody.
fn made_with(app: &ValidErpGo, seen: &Observed) -> String {
    let generation = seen.secret_set.generation().map_or(1, |it| it.0);
    let settings = serde_json::to_string(&app.settings).unwrap_or_default();
    let mut inputs = vec![settings.as_str()];
    if let (Bootstrap::Given(name), Some(revision)) = (&app.bootstrap, &seen.bootstrap_revision) {
        inputs.extend([name.as_str(), revision.as_str()]);
    }
    format!("{generation}-{}", short_hash(&inputs))
}

fn rollout(
    app: &ValidErpGo,
    seen: &Observed,
    image: &str,
    desired: &Desired,
    now: Timestamp,
) -> Option<Waiting> {
    let annotations = desired
        .deployment
        .as_ref()
        .and_then(|d| d.metadata.annotations.as_ref());
    let hash = annotations.and_then(|annotations| annotations.get(SPEC_HASH));
    let rolling = phase::rollout(seen, image, hash)?;
    let trouble = phase::pods(seen, PodComponent::Api, image)
        .or_else(|| unready::mail(app, seen))
        .or_else(|| unready::sidecar(seen, PodComponent::Api, image, now));
    Some(trouble.unwrap_or(rolling))
}

fn preparations(
    app: &ValidErpGo,
    status: Option<&ErpGoStatus>,
    seen: &Observed,
    inputs_missing: bool,
) -> Vec<Effect> {
    let mut effects = Vec::new();
    if !seen.control_token {
        effects.push(Effect::EnsureControlToken);
    }
    // Whoever removed it after the first start knows the password, or wants no one to.
    let first = !phase::has_served(status, seen);
    if app.bootstrap == Bootstrap::Generated && !seen.admin_secret && first {
        effects.push(Effect::EnsureAdminSecret);
    }
    if seen.secret_set == SecretSetState::Absent && !inputs_missing {
        effects.push(Effect::EnsureFirstGeneration);
    }
    effects
}

// A wrong URL is mended where the user wrote it, until something serves.
fn follow(seen: &Observed) -> Option<Effect> {
    let present = seen.secret_set.generation().is_some();
    present.then_some(Effect::FollowSources)
}
