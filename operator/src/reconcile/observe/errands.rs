//! What is read of the Jobs that change passwords.
//!
//! Owns the way from a Job to an [`ErrandView`]: what it is for stands in an annotation, how it ended in
//! its conditions, and why it did, or is tried again, in the last line that its newest pod wrote.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

use super::jobs::{condition, newest_end};
use crate::reconcile::build::pod::CREDENTIALS;
use crate::reconcile::names::{COMPONENT_LABEL, Component, ERRAND};
use crate::reconcile::observed::ContainerTerminated;
use crate::reconcile::text::bounded_to;
use crate::rotation::{ErrandState, ErrandView};

/// Longest reason that is kept, in bytes.
const MAX_REASON: usize = 300;

pub(super) fn is_one(job: &Job) -> bool {
    let component = job.labels().get(COMPONENT_LABEL);
    component.is_some_and(|component| component == Component::Credentials.as_str())
}

pub(super) fn views(jobs: Vec<Job>, pods: &[Pod]) -> Vec<ErrandView> {
    jobs.iter().filter_map(|job| view(job, pods)).collect()
}

fn view(job: &Job, pods: &[Pod]) -> Option<ErrandView> {
    let errand = job.annotations().get(ERRAND)?.parse().ok()?;
    let name = job.name_any();
    let end = newest_end(&name, pods, CREDENTIALS);
    let state = match (condition(job, "Complete"), condition(job, "Failed")) {
        (Some(_), _) => ErrandState::Succeeded,
        (None, Some(failed)) => ErrandState::Failed {
            reason: given_up(&name, failed.reason.as_deref(), end.as_ref()),
        },
        (None, None) => open(end.as_ref()),
    };
    Some(ErrandView { errand, state })
}

// Of a pod that has succeeded its Job is about to tell.
fn open(end: Option<&ContainerTerminated>) -> ErrandState {
    let Some(failed) = end.filter(|end| end.exit_code != 0) else {
        return ErrandState::Running;
    };
    let what = format!("it is tried again after exit code {}", failed.exit_code);
    ErrandState::Retrying {
        reason: told(&what, end),
    }
}

fn given_up(name: &str, why: Option<&str>, end: Option<&ContainerTerminated>) -> String {
    let why = why.unwrap_or("unknown reason");
    let code = end.map_or_else(String::new, |end| format!(", exit code {}", end.exit_code));
    told(&format!("the Job {name} failed ({why}{code})"), end)
}

/// `what`, and the last line that the pod wrote.
fn told(what: &str, end: Option<&ContainerTerminated>) -> String {
    let said = end.and_then(|end| end.message.lines().last());
    let said = said.map_or("", str::trim).trim_start_matches("- ");
    let text = format!("{what}: {said}");
    bounded_to(text.trim_end_matches([':', ' ']), MAX_REASON)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::{Errand, Task};
    use serde_json::json;

    fn job(errand: &str, condition: Option<&str>) -> Job {
        let conditions = condition
            .map(|type_| json!([{"type": type_, "status": "True", "reason": "PodFailurePolicy"}]));
        serde_json::from_value(json!({
            "metadata": {"name": "shop-credentials-1", "annotations": {ERRAND: errand},
                "labels": {COMPONENT_LABEL: "credentials"}},
            "status": {"conditions": conditions},
        }))
        .unwrap()
    }

    fn ended(code: i32, message: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "labels": {"batch.kubernetes.io/job-name": "shop-credentials-1"}},
            "status": {"containerStatuses": [{"name": CREDENTIALS, "image": "", "imageID": "", "ready": false,
                "restartCount": 0, "state": {"terminated": {"exitCode": code, "message": message}}}]},
        }))
        .unwrap()
    }

    fn state_of(job: Job, pods: &[Pod]) -> ErrandState {
        views(vec![job], pods).remove(0).state
    }

    #[test]
    fn a_job_says_what_it_is_for_and_why_it_failed() {
        let said = "erpgo: the password of erp_b is as it was\n  - the role does not exist\n";
        let jobs = vec![
            job("set database erp_b database-2", Some("Failed")),
            job("clear database erp_a database-1", Some("Complete")),
            job("what", None),
        ];
        assert!(jobs.iter().all(is_one));
        let views = views(jobs, &[ended(78, said)]);
        let states: Vec<_> = views.iter().map(|view| view.state.clone()).collect();
        let reason = "the Job shop-credentials-1 failed (PodFailurePolicy, exit code 78): the role does \
                      not exist";
        let failed = ErrandState::Failed {
            reason: reason.into(),
        };
        assert_eq!(states, [failed, ErrandState::Succeeded]);
        let first: Errand = "set database erp_b database-2".parse().unwrap();
        assert_eq!((&views[0].errand, first.task), (&first, Task::Set));
    }

    #[test]
    fn a_job_that_has_not_ended_says_why_it_is_tried_again() {
        let open = || job("clear redis erp_a redis-0", None);
        assert_eq!(state_of(open(), &[]), ErrandState::Running);
        assert_eq!(state_of(open(), &[ended(0, "")]), ErrandState::Running);
        let away = ended(75, "erpgo: as it was\n  - Redis cannot be reached\n");
        for (pod, reason) in [
            (
                away,
                "it is tried again after exit code 75: Redis cannot be reached",
            ),
            (ended(137, ""), "it is tried again after exit code 137"),
        ] {
            let reason = reason.to_owned();
            assert_eq!(state_of(open(), &[pod]), ErrandState::Retrying { reason });
        }
        // One that was given up says so in its conditions.
        let failed = state_of(job("clear redis erp_a redis-0", Some("Failed")), &[]);
        let reason = "the Job shop-credentials-1 failed (PodFailurePolicy)".to_owned();
        assert_eq!(failed, ErrandState::Failed { reason });
    }
}
