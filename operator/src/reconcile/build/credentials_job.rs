//! The Job that gives a database role or a Redis user its password, or takes it away.
//!
//! Owns the run of `erpgo db-credentials` and `erpgo redis-credentials`. It is created once and never patched; its name says for
//! which version it is. It alone mounts the administrator's URL, and it has no secret set, no sidecar
//! and no rights of its own. It goes by itself ten minutes after it ended; one that failed is then made
//! anew if it is still wanted.

use std::collections::BTreeMap;

use erpgo_crds::SecretKey;
use erpgo_secret_set::Generation;
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::migration_job::{EXIT_CONFIG, EXIT_SQL, failure_policy};
use super::pod::{self, CREDENTIALS, credentials_container, volumes};
use crate::reconcile::names::{Component, ERRAND, MADE_WITH, errand_job};
use crate::reconcile::valid::ValidErpGo;
use crate::rotation::{Errand, Task};

/// Pods that are tried, after the first.
const RETRIES: i32 = 4;
/// Longest time for all of them, in seconds. A rotation waits longer.
const DEADLINE: i64 = 300;
/// How long one that ended stays, in seconds: long enough to be read.
const KEPT: i32 = 600;

/// A run that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrandRun {
    /// What for.
    pub errand: Errand,
    /// The generation that it was decided on.
    pub on: Generation,
    /// The image that serves.
    pub image: String,
}

/// The Job of `run`; none without logins that take turns there.
#[must_use]
pub fn credentials_job(app: &ValidErpGo, run: &ErrandRun) -> Option<Job> {
    let turns = app.turns.get(&run.errand.key)?;
    let name = errand_job(&app.names, &app.owner.uid, &run.errand);
    let annotations = BTreeMap::from([
        (ERRAND.to_owned(), run.errand.to_string()),
        (MADE_WITH.to_owned(), run.on.to_string()),
    ]);
    Some(Job {
        metadata: ObjectMeta {
            annotations: Some(annotations),
            ..app.metadata(&name, Component::Credentials)
        },
        spec: Some(JobSpec {
            backoff_limit: Some(RETRIES),
            active_deadline_seconds: Some(DEADLINE),
            ttl_seconds_after_finished: Some(KEPT),
            pod_failure_policy: Some(failure_policy(CREDENTIALS, &[EXIT_SQL, EXIT_CONFIG])),
            template: template(app, &turns.admin, run, &name),
            ..JobSpec::default()
        }),
        ..Job::default()
    })
}

fn template(app: &ValidErpGo, admin: &SecretKey, run: &ErrandRun, name: &str) -> PodTemplateSpec {
    let mut volumes = vec![volumes::login_admin(admin)];
    if run.errand.task == Task::Set {
        volumes.push(volumes::verifier(name));
    }
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(app.names.labels(Component::Credentials)),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            restart_policy: Some("Never".into()),
            volumes: Some(volumes),
            ..pod::bare_spec(app, credentials_container::container(app, run))
        }),
    }
}
