//! The migration Job.
//!
//! Owns the run of one image's migrations, before any pod of that image serves (I-01). The Job is
//! created once and never patched; its name says what it does. Which failures stop it at once is
//! decided here by exit code, and by the app, which gives them.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::pod::{MIGRATE, migrate_container, pod_spec, volumes};
use crate::reconcile::names::{ATTEMPT, Component, DATABASE, MADE_WITH};
use crate::reconcile::valid::ValidErpGo;

/// An SQL statement failed: trying again cannot help.
pub const EXIT_SQL: i32 = 65;
/// A destructive migration was refused.
pub const EXIT_REFUSED: i32 = 77;
/// Settings or secret set are not valid.
pub const EXIT_CONFIG: i32 = 78;
/// The database or a lock was not to be had.
pub const EXIT_TEMPORARY: i32 = 75;

/// What a run needs to know beside the spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationRun {
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Secret generation, settings and given first administrator at the time.
    pub made_with: String,
    /// Version of the database that is current, when that is known.
    pub database: Option<String>,
    /// Secret with the first administrator, when there is one.
    pub bootstrap: Option<String>,
    /// Image of the sidecar. It is no part of the Job's name nor of [`Self::made_with`], so that an
    /// upgrade of the operator makes no Job anew.
    pub sidecar_image: String,
}

/// The Job of the wanted image.
#[must_use]
pub fn migration_job(app: &ValidErpGo, run: &MigrationRun) -> Job {
    let mut annotations = BTreeMap::from([
        (ATTEMPT.to_owned(), run.attempt.to_string()),
        (MADE_WITH.to_owned(), run.made_with.clone()),
    ]);
    let database = run.database.clone();
    annotations.extend(database.map(|version| (DATABASE.to_owned(), version)));
    Job {
        metadata: ObjectMeta {
            annotations: Some(annotations),
            ..app.metadata(&app.migration_job, Component::Migration)
        },
        spec: Some(JobSpec {
            backoff_limit: Some(app.migrations.retries),
            active_deadline_seconds: Some(app.migrations.deadline_seconds.into()),
            pod_failure_policy: Some(failure_policy(
                MIGRATE,
                &[EXIT_SQL, EXIT_REFUSED, EXIT_CONFIG],
            )),
            // A second pod must not start before the first is gone: one migration at a time (I-02).
            pod_replacement_policy: Some("Failed".into()),
            template: template(app, run),
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}

fn template(app: &ValidErpGo, run: &MigrationRun) -> PodTemplateSpec {
    let mut spec = pod_spec(
        app,
        migrate_container::container(app, run.bootstrap.is_some()),
        &run.sidecar_image,
    );
    spec.restart_policy = Some("Never".into());
    if let Some(secret) = &run.bootstrap {
        let volumes = spec.volumes.get_or_insert_default();
        volumes.push(volumes::bootstrap(secret));
    }
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(app.names.labels(Component::Migration)),
            ..ObjectMeta::default()
        }),
        spec: Some(spec),
    }
}

/// A Job that ends at once with these exit codes of `container`, for which trying again cannot help.
pub(super) fn failure_policy(container: &str, hopeless: &[i32]) -> PodFailurePolicy {
    let stop = PodFailurePolicyRule {
        action: "FailJob".into(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: Some(container.into()),
            operator: "In".into(),
            values: hopeless.to_vec(),
        }),
        ..PodFailurePolicyRule::default()
    };
    // A drained node is nobody's failure and costs no retry.
    let drained = PodFailurePolicyRule {
        action: "Ignore".into(),
        on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
            type_: "DisruptionTarget".into(),
            status: "True".into(),
        }]),
        ..PodFailurePolicyRule::default()
    };
    PodFailurePolicy {
        rules: vec![stop, drained],
    }
}
