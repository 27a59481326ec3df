//! What is read of migration Jobs.
//!
//! Owns the reading of a Job's conditions and of the report that its newest pod left behind.

use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

use super::pods::{JOB_NAME, MIGRATE, ended};
use crate::reconcile::names::{ATTEMPT, MADE_WITH};
use crate::reconcile::observed::{ContainerTerminated, JobFacts, JobState};

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
        report: end.and_then(|end| serde_json::from_str(&end.message).ok()),
        attempt: annotation(job, ATTEMPT)
            .and_then(|text| text.parse().ok())
            .unwrap_or(1),
        made_with: annotation(job, MADE_WITH),
        finished_at: finished.map(|time| time.0),
        pods_refused: None,
        name,
    }
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
            "metadata": {"name": name, "uid": "u", "resourceVersion": "7", "annotations": {ATTEMPT: "3"}},
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
        assert_eq!(wanted.report.unwrap().outcome, MigrationOutcome::Failed);
        assert_eq!(wanted.reason.as_deref(), Some("PodFailurePolicy"));
        assert_eq!(others.len(), 1);
        assert_eq!(others[0].state, JobState::Succeeded);
    }

    #[test]
    fn a_job_without_an_end_runs() {
        let (wanted, others) = split(vec![job("shop", None)], &[], "shop");
        let wanted = wanted.unwrap();
        assert_eq!(
            (wanted.state, wanted.exit_code, wanted.finished_at),
            (JobState::Running, None, None)
        );
        assert!(others.is_empty());
    }
}
