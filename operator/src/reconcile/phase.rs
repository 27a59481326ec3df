//! How far an `ErpGo` is and what it waits on.
//!
//! Owns [`Phase`], [`Waiting`] and the judgement of inputs, pods and rollout. Pure.

use erpgo_crds::ErpGoStatus;

use super::migrate::{self, Migration};
use super::observed::{
    Complaint, Dependency, DeploymentFacts, JobFacts, Observed, PodComponent, PodFacts,
    SecretSetState, SecretSource,
};
use super::reason;
use super::valid::{Bootstrap, ValidErpGo};

/// How far an `ErpGo` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// `spec.paused`: nothing is written.
    Paused,
    /// The spec is refused: nothing is changed.
    Invalid,
    /// Inputs or the secret set are missing.
    Prepare,
    /// The wanted image's migrations have not succeeded.
    Migrate,
    /// The Deployment is on its way.
    RollOut,
    /// All is as wanted.
    Settled,
}

/// What stands in the way. Never an error: it is shown and passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Reason of the condition, from [`super::reason`].
    pub reason: &'static str,
    /// What is wrong.
    pub cause: String,
    /// What to do about it, or what will happen by itself.
    pub way_out: String,
    /// Whether a person should look.
    pub fault: bool,
}

impl Waiting {
    /// Something that a person must mend.
    #[must_use]
    pub fn fault(reason: &'static str, cause: String, way_out: impl Into<String>) -> Self {
        Self {
            reason,
            cause,
            way_out: way_out.into(),
            fault: true,
        }
    }

    /// Something that passes by itself.
    #[must_use]
    pub fn passing(reason: &'static str, cause: String, way_out: impl Into<String>) -> Self {
        Self {
            reason,
            cause,
            way_out: way_out.into(),
            fault: false,
        }
    }

    /// Both in one line.
    #[must_use]
    pub fn message(&self) -> String {
        format!("{}; {}", self.cause, self.way_out)
    }
}

/// What must be there before migrations can run.
#[must_use]
pub fn missing(app: &ValidErpGo, status: Option<&ErpGoStatus>, seen: &Observed) -> Option<Waiting> {
    inputs(app, seen)
        .or_else(|| lost(status, seen))
        .or_else(|| first_administrator(app, status, seen))
}

// Only the first migration makes one, whoever made the secret set.
fn first_administrator(
    app: &ValidErpGo,
    status: Option<&ErpGoStatus>,
    seen: &Observed,
) -> Option<Waiting> {
    let is_made = migrate::succeeded(app, status, seen) || has_served(status, seen);
    bootstrap(app, seen).filter(|_| !is_made)
}

/// Whether any image has ever served.
#[must_use]
pub fn has_served(status: Option<&ErpGoStatus>, seen: &Observed) -> bool {
    seen.deployment.is_some() || status.is_some_and(|status| status.serving_image.is_some())
}

/// What the secret set and its inputs wait on.
#[must_use]
pub fn inputs(app: &ValidErpGo, seen: &Observed) -> Option<Waiting> {
    match &seen.secret_set {
        SecretSetState::Present { .. } => None,
        SecretSetState::Absent => sources(app, seen),
        SecretSetState::Invalid { reasons } => Some(Waiting::fault(
            reason::SECRET_SET_INVALID,
            format!("the secret set cannot be used: {}", reasons.join("; ")),
            "write a valid document to the backend; pods keep the last good one",
        )),
        SecretSetState::Unreachable { class, message } => Some(Waiting::fault(
            reason::BACKEND_UNREACHABLE,
            format!("the secret backend cannot be asked ({class}): {message}"),
            "check spec.secrets.backend and that it answers; pods keep the last good set",
        )),
    }
}

/// The secret set was there and is gone. No other is made by itself: pods hold the lost one, and no
/// password can be checked without its pepper.
#[must_use]
pub fn lost(status: Option<&ErpGoStatus>, seen: &Observed) -> Option<Waiting> {
    let rotation = status.and_then(|status| status.rotation.as_ref());
    let known = rotation.is_some_and(|rotation| !rotation.keys.is_empty());
    (known && seen.secret_set == SecretSetState::Absent).then(|| {
        Waiting::fault(
            reason::SECRET_SET_LOST,
            "the secret backend no longer holds the secret set that pods use".into(),
            "restore it from a backup; pods keep the last good set. To begin anew with other keys, which ends every session and password, delete this ErpGo and apply it again: the data stay",
        )
    })
}

fn sources(app: &ValidErpGo, seen: &Observed) -> Option<Waiting> {
    database_source(app, seen)
        .or_else(|| redis_source(app, seen))
        .or_else(|| bootstrap(app, seen))
}

/// What the URL of the database waits on.
#[must_use]
pub fn database_source(app: &ValidErpGo, seen: &Observed) -> Option<Waiting> {
    let database = &app.database;
    let found = &seen.database_secret;
    source(
        "spec.database.secretRef",
        &database.name,
        &database.key,
        found,
    )
}

/// What the URL of Redis waits on.
#[must_use]
pub fn redis_source(app: &ValidErpGo, seen: &Observed) -> Option<Waiting> {
    let redis = app.redis.as_ref()?;
    let found = seen.redis_secret.clone().unwrap_or_default();
    source("spec.redis.secretRef", &redis.name, &redis.key, &found)
}

/// What the first administrator waits on.
#[must_use]
pub fn bootstrap(app: &ValidErpGo, seen: &Observed) -> Option<Waiting> {
    let Bootstrap::Given(name) = &app.bootstrap else {
        return None;
    };
    let found = seen.bootstrap_secret.clone().unwrap_or_default();
    source(
        "spec.bootstrapAdmin.secretRef",
        name,
        "email and password",
        &found,
    )
}

pub(super) fn source(field: &str, name: &str, key: &str, found: &SecretSource) -> Option<Waiting> {
    let (cause, way_out) = match found {
        SecretSource::Present => return None,
        SecretSource::Missing => (
            format!("the Secret {name} that {field} names does not exist"),
            format!("create it with the key {key}"),
        ),
        SecretSource::KeyMissing { key: lacking } => (
            format!("the Secret {name} that {field} names has no key {lacking}"),
            match lacking == key {
                true => format!("add the key {key}, or name another one in {field}.key"),
                false => format!("add the key {lacking}"),
            },
        ),
        SecretSource::Invalid { reason } => (
            format!("the Secret {name} that {field} names cannot be used: {reason}"),
            format!("correct its key {key}"),
        ),
    };
    Some(Waiting::fault(reason::SECRET_MISSING, cause, way_out))
}

/// What the pods of `component` wait on.
#[must_use]
pub fn pods(seen: &Observed, component: PodComponent, image: &str) -> Option<Waiting> {
    beginning(seen, component, image).find_map(pod)
}

/// The pods of `component` and `image` that are not ready.
pub(super) fn beginning<'a>(
    seen: &'a Observed,
    component: PodComponent,
    image: &'a str,
) -> impl Iterator<Item = &'a PodFacts> {
    let concerned = move |pod: &&PodFacts| {
        pod.component == component && !pod.terminating && !pod.ready && pod.image == image
    };
    seen.pods.iter().filter(concerned)
}

fn pod(pod: &PodFacts) -> Option<Waiting> {
    if let Some(message) = &pod.unschedulable {
        let cause = format!("no node takes the pod {}: {message}", pod.name);
        return Some(Waiting::fault(
            reason::UNSCHEDULABLE,
            cause,
            "add capacity, or lower the requests in spec.resources",
        ));
    }
    let waiting = pod.waiting.as_ref()?;
    let image_fault = matches!(
        waiting.reason.as_str(),
        "ErrImagePull"
            | "ImagePullBackOff"
            | "ErrImageNeverPull"
            | "InvalidImageName"
            | "ImageInspectError"
    );
    if image_fault {
        let cause = format!(
            "the image {} of container {} cannot be pulled ({}): {}",
            pod.image, waiting.container, waiting.reason, waiting.message
        );
        return Some(Waiting::fault(
            reason::IMAGE_UNAVAILABLE,
            cause,
            "correct the image, push it, or set spec.imagePullSecrets",
        ));
    }
    failing(pod, &waiting.container, &waiting.reason, &waiting.message)
}

fn failing(pod: &PodFacts, container: &str, why: &str, message: &str) -> Option<Waiting> {
    let known = [
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    ];
    if !known.contains(&why) {
        return None;
    }
    let ended = pod.terminated.as_ref().map(|end| {
        format!(
            "; it last ended with {} ({}): {}",
            end.exit_code,
            end.reason,
            end.message.trim()
        )
    });
    let cause = format!(
        "container {container} of pod {} does not run ({why}): {message}{}",
        pod.name,
        ended.unwrap_or_default()
    );
    let way_out = format!("see kubectl logs {} -c {container} --previous", pod.name);
    Some(Waiting::fault(reason::POD_FAILING, cause, way_out))
}

/// What the pods' dependencies make wait. A Redis that the spec has no more is missed by nobody.
#[must_use]
pub fn dependencies(app: &ValidErpGo, seen: &Observed) -> Option<Waiting> {
    let is_wanted = |complaint: &&Complaint| match complaint.dependency {
        Dependency::Database => true,
        Dependency::Redis => app.redis.is_some(),
    };
    let mut complaints = seen.complaints.iter().filter(is_wanted);
    complaints
        .next()
        .map(|complaint| dependency(app, complaint))
}

fn dependency(app: &ValidErpGo, complaint: &Complaint) -> Waiting {
    let (reason, field, secret) = match complaint.dependency {
        Dependency::Database => (
            reason::DATABASE_UNAVAILABLE,
            "spec.database.secretRef",
            Some(&app.database),
        ),
        Dependency::Redis => (
            reason::REDIS_UNAVAILABLE,
            "spec.redis.secretRef",
            app.redis.as_ref(),
        ),
    };
    let secret = secret
        .map(|secret| secret.name.as_str())
        .unwrap_or_default();
    Waiting::fault(
        reason,
        format!("{} pods say: {}", complaint.pods, complaint.reason),
        format!(
            "see that it runs and takes connections with the URL of the Secret {secret} that {field} names; pods connect again by themselves"
        ),
    )
}

/// What the API server refuses.
#[must_use]
pub fn refusal(seen: &Observed) -> Option<Waiting> {
    let replica_failure = seen
        .deployment
        .as_ref()
        .and_then(|d| d.replica_failure.clone());
    let message = seen.quota_denied.clone().or(replica_failure)?;
    Some(refused(&message))
}

/// What the API server refuses to the controller of Jobs.
#[must_use]
pub fn pods_refused(job: &JobFacts) -> Option<Waiting> {
    job.pods_refused.as_deref().map(refused)
}

fn refused(message: &str) -> Waiting {
    Waiting::fault(
        reason::WRITE_REFUSED,
        format!("the API server refuses what is wanted: {message}"),
        "raise the quota or change the policy that it names; it is tried again by itself",
    )
}

/// What the rollout of `spec_hash` waits on; nothing when it is complete.
#[must_use]
pub fn rollout(seen: &Observed, image: &str, spec_hash: Option<&String>) -> Option<Waiting> {
    let starting = |cause: String| {
        Waiting::passing(
            reason::ROLLING_OUT,
            cause,
            "nothing to do, pods are starting",
        )
    };
    let Some(live) = &seen.deployment else {
        return Some(starting("the Deployment is being created".into()));
    };
    if live.spec_hash.as_ref() != spec_hash
        || live.image != image
        || live.observed_generation < live.generation
    {
        return Some(starting("the Deployment is being updated".into()));
    }
    let complete = live.updated >= live.wanted
        && live.replicas <= live.updated
        && live.available >= live.wanted;
    if complete {
        return None;
    }
    if live.deadline_exceeded {
        let cause = format!(
            "{} of {} updated pods are ready and no progress is made",
            updated_and_ready(live),
            live.wanted
        );
        return Some(Waiting::fault(
            reason::ROLLOUT_STUCK,
            cause,
            "see kubectl describe pods; the old pods go on serving",
        ));
    }
    Some(starting(format!(
        "{} of {} updated pods are ready",
        updated_and_ready(live),
        live.wanted
    )))
}

// A pod goes when its successor is ready: what is available beyond those of before is updated.
fn updated_and_ready(live: &DeploymentFacts) -> i32 {
    let before = live.replicas - live.updated;
    (live.available - before).clamp(0, live.updated.max(0))
}

/// The phase that follows from what is waited on.
#[must_use]
pub const fn phase(prepared: bool, migration: Migration, rolled_out: bool) -> Phase {
    match (prepared, migration, rolled_out) {
        (false, ..) => Phase::Prepare,
        (true, Migration::Succeeded, true) => Phase::Settled,
        (true, Migration::Succeeded, false) => Phase::RollOut,
        (true, ..) => Phase::Migrate,
    }
}
