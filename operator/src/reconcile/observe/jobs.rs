//! What is read of Jobs.
//!
//! Owns the reading of those that the watch tells of, of a migration Job's conditions and of what its
//! newest pod left behind: a report, or the end of its log.

use erpgo_crds::ErpGo;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::pods::{JOB_NAME, MIGRATE, ended};
use super::{failed, selector};
use crate::reconcile::context::Context;
use crate::reconcile::error::ReconcileError;
use crate::reconcile::names::{ATTEMPT, COMPONENT_LABEL, Component, DATABASE, MADE_WITH};
use crate::reconcile::observed::{
    ContainerTerminated, JobFacts, JobState, MAX_TAIL_BYTES, MigrationReport,
};
use crate::reconcile::text::end_of;
use crate::runtime::progress::Key;

// One image change leaves one Job behind; more than this are not worth knowing.
const MAX_JOBS: u32 = 50;
const AT_ONCE: usize = 4;
const KIND: &str = "Job";
const COMPONENTS: [Component; 2] = [Component::Migration, Component::Credentials];

/// The Jobs of `erpgo`. Those that the watch tells of are read by name, which spares the API server
/// to go through all Jobs of the namespace; one that it does not tell of yet is created at most once.
pub(super) async fn read(
    context: &Context,
    key: &Key,
    erpgo: &ErpGo,
) -> Result<Vec<Job>, ReconcileError> {
    let api: Api<Job> = Api::namespaced(context.client.clone(), &key.namespace);
    let mut jobs = match context.children.names(KIND, key) {
        Some(names) => by_name(context, key, &api, names).await?,
        None => list(key, &api).await?,
    };
    let uid = erpgo.metadata.uid.as_deref();
    jobs.retain(|job| {
        let mut owners = job.owner_references().iter();
        owners.any(|owner| Some(owner.uid.as_str()) == uid)
    });
    Ok(jobs)
}

async fn by_name(
    context: &Context,
    key: &Key,
    api: &Api<Job>,
    mut names: Vec<String>,
) -> Result<Vec<Job>, ReconcileError> {
    names.truncate(usize::try_from(MAX_JOBS).unwrap_or(usize::MAX));
    let found = stream::iter(names).map(|name| async move {
        let found = api.get_opt(&name).await.map_err(failed("a Job"))?;
        if found.is_none() {
            context.children.is_gone(KIND, key, &name);
        }
        Ok(found)
    });
    let found: Vec<Option<Job>> = found.buffered(AT_ONCE).try_collect().await?;
    let is_ours = |job: &Job| {
        let component = job.labels().get(COMPONENT_LABEL);
        component.is_some_and(|label| COMPONENTS.iter().any(|ours| ours.as_str() == label))
    };
    Ok(found.into_iter().flatten().filter(is_ours).collect())
}

async fn list(key: &Key, api: &Api<Job>) -> Result<Vec<Job>, ReconcileError> {
    let components = COMPONENTS.map(Component::as_str).join(",");
    let selector = format!("{},{COMPONENT_LABEL} in ({components})", selector(key));
    let params = ListParams::default().labels(&selector).limit(MAX_JOBS);
    let list = api.list(&params).await;
    Ok(list.map_err(failed("the Jobs"))?.items)
}

/// The Job `wanted`, and all others.
pub(super) fn split(
    jobs: Vec<Job>,
    pods: &[Pod],
    wanted: &str,
) -> (Option<JobFacts>, Vec<JobFacts>) {
    let all = jobs.iter().map(|job| facts(job, pods));
    let (mut ours, others): (Vec<_>, Vec<_>) = all.partition(|job| job.name == wanted);
    (ours.pop(), others)
}

fn facts(job: &Job, pods: &[Pod]) -> JobFacts {
    let name = job.name_any();
    let end = newest_end(&name, pods, MIGRATE);
    let report: Option<MigrationReport> = end
        .as_ref()
        .and_then(|end| serde_json::from_str(&end.message).ok());
    let unreported = end.as_ref().filter(|_| report.is_none());
    let failed = condition(job, "Failed");
    let complete = condition(job, "Complete");
    let state = match (complete, failed) {
        (Some(_), _) => JobState::Succeeded,
        (None, Some(_)) => JobState::Failed,
        (None, None) => JobState::Running,
    };
    let finished = complete
        .or(failed)
        .and_then(|c| c.last_transition_time.as_ref());
    JobFacts {
        uid: job.uid().unwrap_or_default(),
        resource_version: job.resource_version().unwrap_or_default(),
        image: image(job),
        state,
        reason: failed.and_then(|condition| condition.reason.clone()),
        exit_code: end.as_ref().map(|end| end.exit_code),
        end_reason: end.as_ref().and_then(|end| said(&end.reason)),
        tail: unreported.and_then(|end| said(&end_of(end.message.trim(), MAX_TAIL_BYTES))),
        report,
        attempt: annotation(job, ATTEMPT)
            .and_then(|text| text.parse().ok())
            .unwrap_or(1),
        made_with: annotation(job, MADE_WITH),
        database: annotation(job, DATABASE),
        finished_at: finished.map(|time| time.0),
        pods_refused: None,
        name,
    }
}

fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn annotation(job: &Job, key: &str) -> Option<String> {
    job.annotations().get(key).cloned()
}

pub(super) fn condition<'a>(job: &'a Job, type_: &str) -> Option<&'a JobCondition> {
    let status = job.status.as_ref()?;
    let mut conditions = status.conditions.iter().flatten();
    conditions.find(|condition| condition.type_ == type_ && condition.status == "True")
}

fn image(job: &Job) -> String {
    let pod = job
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    let mut containers = pod.iter().flat_map(|pod| &pod.containers);
    let migrate = containers.find(|container| container.name == MIGRATE);
    migrate
        .and_then(|container| container.image.clone())
        .unwrap_or_default()
}

/// How `container` of the Job's newest pod that has ended ended.
pub(super) fn newest_end(job: &str, pods: &[Pod], container: &str) -> Option<ContainerTerminated> {
    let mut own: Vec<&Pod> = pods
        .iter()
        .filter(|pod| pod.labels().get(JOB_NAME).is_some_and(|name| name == job))
        .collect();
    own.sort_by_key(|pod| std::cmp::Reverse(pod.creation_timestamp().map(|time| time.0)));
    own.iter().find_map(|pod| {
        let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
        ended(statuses.iter().find(|status| status.name == container)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::observed::MigrationOutcome;
    use serde_json::json;

    fn job(name: &str, condition: Option<&str>) -> Job {
        let conditions = condition.map(|type_| {
            json!([{"type": type_, "status": "True", "reason": "PodFailurePolicy",
                "lastTransitionTime": "2026-01-01T00:00:00Z"}])
        });
        serde_json::from_value(json!({
            "metadata": {"name": name, "uid": "u", "resourceVersion": "7",
                "annotations": {ATTEMPT: "3", DATABASE: "database-2"}},
            "spec": {"template": {"spec": {"containers": [{"name": MIGRATE, "image": "erpgo:2"}]}}},
            "status": {"conditions": conditions},
        }))
        .unwrap()
    }

    fn ended_pod(job: &str, at: &str, code: i32, message: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": at, "creationTimestamp": at, "labels": {JOB_NAME: job}},
            "status": {"containerStatuses": [{"name": MIGRATE, "image": "", "imageID": "", "ready": false,
                "restartCount": 0, "state": {"terminated": {"exitCode": code, "message": message}}}]},
        }))
        .unwrap()
    }

    #[test]
    fn r19_2_the_newest_pods_report_is_read() {
        let report = r#"{"outcome":"failed","applied":["0001_init"],"migration":"0002_x","statement":"ALTER","error":"boom","retryable":false}"#;
        let pods = [
            ended_pod("shop", "2026-01-01T00:00:05Z", 65, report),
            ended_pod("shop", "2026-01-01T00:00:01Z", 75, "not a report"),
            ended_pod("other", "2026-01-01T00:00:09Z", 0, ""),
        ];
        let (wanted, others) = split(
            vec![job("shop", Some("Failed")), job("old", Some("Complete"))],
            &pods,
            "shop",
        );
        let wanted = wanted.unwrap();
        assert_eq!(
            (wanted.state, wanted.exit_code, wanted.attempt),
            (JobState::Failed, Some(65), 3)
        );
        assert_eq!(wanted.database.as_deref(), Some("database-2"));
        assert_eq!(wanted.report.unwrap().outcome, MigrationOutcome::Failed);
        assert_eq!(wanted.reason.as_deref(), Some("PodFailurePolicy"));
        assert_eq!(wanted.tail, None);
        assert_eq!(others.len(), 1);
        assert_eq!(others[0].state, JobState::Succeeded);
    }

    #[test]
    fn r19_2_of_a_pod_that_left_no_report_the_kubelets_word_and_the_end_of_its_log_are_kept() {
        let log = format!("{}\nthread 'main' panicked\n", "ä".repeat(MAX_TAIL_BYTES));
        let mut killed = ended_pod("shop", "2026-01-01T00:00:05Z", 137, &log);
        let statuses = killed.status.as_mut().unwrap().container_statuses.as_mut();
        let state = statuses.unwrap()[0].state.as_mut().unwrap();
        state.terminated.as_mut().unwrap().reason = Some("OOMKilled".into());
        let (wanted, _) = split(vec![job("shop", None)], &[killed], "shop");
        let wanted = wanted.unwrap();
        assert_eq!(
            (wanted.state, wanted.exit_code),
            (JobState::Running, Some(137))
        );
        assert_eq!(wanted.end_reason.as_deref(), Some("OOMKilled"));
        assert_eq!(wanted.report, None);
        let tail = wanted.tail.unwrap();
        assert!(tail.ends_with("ä\nthread 'main' panicked"), "{tail}");
        assert!(tail.len() <= MAX_TAIL_BYTES && tail.len() > MAX_TAIL_BYTES - 2);

        let silent = ended_pod("shop", "2026-01-01T00:00:05Z", 137, " \n");
        let (wanted, _) = split(vec![job("shop", None)], &[silent], "shop");
        let wanted = wanted.unwrap();
        assert_eq!((wanted.tail, wanted.end_reason), (None, None));
    }

    #[test]
    fn a_job_without_an_end_runs() {
        let (wanted, others) = split(vec![job("shop", None)], &[], "shop");
        let wanted = wanted.unwrap();
        assert_eq!(
            (wanted.state, wanted.exit_code, wanted.finished_at),
            (JobState::Running, None, None)
        );
        assert_eq!((wanted.end_reason, wanted.tail), (None, None));
        assert!(others.is_empty());
    }
}
