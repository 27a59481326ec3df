//! What is read of the Jobs that change passwords.
//!
//! Owns the way from a Job to an [`ErrandView`]: what it is for stands in an annotation, how it ended in
//! its conditions, and why in the last line that its newest pod wrote.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

use super::jobs::{condition, newest_end};
use crate::reconcile::build::pod::CREDENTIALS;
use crate::reconcile::names::{COMPONENT_LABEL, Component, ERRAND};
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
    let state = match (condition(job, "Complete"), condition(job, "Failed")) {
        (Some(_), _) => ErrandState::Succeeded,
        (None, Some(failed)) => ErrandState::Failed {
            reason: reason(job, failed.reason.as_deref(), pods),
        },
        (None, None) => ErrandState::Running,
    };
    Some(ErrandView { errand, state })
}

fn reason(job: &Job, why: Option<&str>, pods: &[Pod]) -> String {
    let name = job.name_any();
    let end = newest_end(&name, pods, CREDENTIALS);
    let said = end.as_ref().and_then(|end| end.message.lines().last());
    let said = said.map_or("", str::trim).trim_start_matches("- ");
    let code = end
        .as_ref()
        .map_or_else(String::new, |end| format!(", exit code {}", end.exit_code));
    let text = format!(
        "the Job {name} failed ({}{code}): {said}",
        why.unwrap_or("unknown reason")
    );
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

    #[test]
    fn a_job_says_what_it_is_for_and_why_it_failed() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p", "labels": {"batch.kubernetes.io/job-name": "shop-credentials-1"}},
            "status": {"containerStatuses": [{"name": CREDENTIALS, "image": "", "imageID": "", "ready": false,
                "restartCount": 0, "state": {"terminated": {"exitCode": 78,
                    "message": "erpgo: the password of erp_b is as it was\n  - the role does not exist\n"}}}]},
        }))
        .unwrap();
        let jobs = vec![
            job("set database erp_b database-2", Some("Failed")),
            job("clear database erp_a database-1", Some("Complete")),
            job("clear redis erp_a redis-0", None),
            job("what", None),
        ];
        assert!(jobs.iter().all(is_one));
        let views = views(jobs, &[pod]);
        let states: Vec<_> = views.iter().map(|view| view.state.clone()).collect();
        let reason = "the Job shop-credentials-1 failed (PodFailurePolicy, exit code 78): the role does \
                      not exist";
        let failed = ErrandState::Failed {
            reason: reason.into(),
        };
        assert_eq!(
            states,
            [failed, ErrandState::Succeeded, ErrandState::Running]
        );
        let first: Errand = "set database erp_b database-2".parse().unwrap();
        assert_eq!((&views[0].errand, first.task), (&first, Task::Set));
    }
}
