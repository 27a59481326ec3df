//! What is read of pods.
//!
//! Owns which of a pod's many states is told: the first container that does not start, and the last
//! one that ended badly, the main container before others.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};
use kube::ResourceExt as _;

use super::bounded;
use crate::reconcile::build::pod::SIDECAR;
use crate::reconcile::names::COMPONENT_LABEL as COMPONENT;
use crate::reconcile::observed::{ContainerTerminated, ContainerWaiting, PodComponent, PodFacts};

pub(super) const JOB_NAME: &str = "batch.kubernetes.io/job-name";
pub(super) const MIGRATE: &str = "migrate";
const APP: &str = "app";

/// The API's pods, and those of the Job `wanted`.
pub(super) fn facts(pods: &[Pod], wanted: &str) -> Vec<PodFacts> {
    pods.iter().filter_map(|pod| fact(pod, wanted)).collect()
}

fn fact(pod: &Pod, wanted: &str) -> Option<PodFacts> {
    let component = match pod.labels().get(COMPONENT)?.as_str() {
        "api" => PodComponent::Api,
        "migration" if pod.labels().get(JOB_NAME)? == wanted => PodComponent::Migration,
        _ => return None,
    };
    let main = match component {
        PodComponent::Api => APP,
        PodComponent::Migration => MIGRATE,
    };
    let status = pod.status.clone().unwrap_or_default();
    Some(PodFacts {
        name: pod.name_any(),
        ip: status.pod_ip.as_deref().and_then(|ip| ip.parse().ok()),
        component,
        sidecar_started_at: sidecar_started_at(&status),
        ready: is_true(&status, "Ready"),
        terminating: pod.metadata.deletion_timestamp.is_some(),
        secrets: None,
        ended: matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")),
        image: image(pod, main),
        waiting: containers(&status).find_map(waiting),
        terminated: terminated(&status, main),
        unschedulable: unschedulable(&status),
    })
}

fn sidecar_started_at(status: &PodStatus) -> Option<Timestamp> {
    let sidecar = containers(status).find(|container| container.name == SIDECAR)?;
    let running = sidecar.state.as_ref()?.running.as_ref()?;
    running.started_at.as_ref().map(|time| time.0)
}

fn image(pod: &Pod, main: &str) -> String {
    let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice());
    let mut containers = containers.unwrap_or_default().iter();
    let found = containers.find(|container| container.name == main);
    found
        .and_then(|container| container.image.clone())
        .unwrap_or_default()
}

fn containers(status: &PodStatus) -> impl Iterator<Item = &ContainerStatus> {
    let first = status.init_container_statuses.iter().flatten();
    first.chain(status.container_statuses.iter().flatten())
}

fn is_true(status: &PodStatus, type_: &str) -> bool {
    let mut conditions = status.conditions.iter().flatten();
    conditions.any(|condition| condition.type_ == type_ && condition.status == "True")
}

fn waiting(container: &ContainerStatus) -> Option<ContainerWaiting> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.clone().unwrap_or_default();
    // These two are every pod's beginning.
    if matches!(
        reason.as_str(),
        "" | "PodInitializing" | "ContainerCreating"
    ) {
        return None;
    }
    Some(ContainerWaiting {
        container: container.name.clone(),
        reason,
        message: bounded(waiting.message.as_deref().unwrap_or_default()),
    })
}

fn terminated(status: &PodStatus, main: &str) -> Option<ContainerTerminated> {
    let bad = |container: &ContainerStatus| ended(container).filter(|end| end.exit_code != 0);
    let of_main = containers(status).filter(|container| container.name == main);
    let others = containers(status).filter(|container| container.name != main);
    of_main.chain(others).find_map(bad)
}

/// How `container` ended, now or before its last restart.
pub(super) fn ended(container: &ContainerStatus) -> Option<ContainerTerminated> {
    let now = container
        .state
        .as_ref()
        .and_then(|state| state.terminated.as_ref());
    let before = container
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref());
    let end = now.or(before)?;
    Some(ContainerTerminated {
        container: container.name.clone(),
        exit_code: end.exit_code,
        reason: end.reason.clone().unwrap_or_default(),
        message: bounded(end.message.as_deref().unwrap_or_default()),
        finished_at: end.finished_at.as_ref().map(|time| time.0),
    })
}

fn unschedulable(status: &PodStatus) -> Option<String> {
    let mut conditions = status.conditions.iter().flatten();
    let found = conditions.find(|condition| {
        condition.type_ == "PodScheduled"
            && condition.status == "False"
            && condition.reason.as_deref() == Some("Unschedulable")
    });
    found.map(|condition| bounded(condition.message.as_deref().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(component: &str, job: &str, statuses: serde_json::Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "labels": {COMPONENT: component, JOB_NAME: job}},
            "spec": {"containers": [{"name": "app", "image": "erpgo:1"}]},
            "status": {"podIP": "10.0.0.9", "containerStatuses": statuses},
        }))
        .unwrap()
    }

    fn status(name: &str, state: serde_json::Value) -> serde_json::Value {
        json!({"name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state})
    }

    #[test]
    fn a_pod_that_just_begins_waits_for_nothing_worth_telling() {
        let begins = json!([status(
            "app",
            json!({"waiting": {"reason": "PodInitializing"}})
        )]);
        let facts = facts(&[pod("api", "", begins)], "job");
        assert_eq!(facts[0].waiting, None);
        assert_eq!(facts[0].image, "erpgo:1");
        assert_eq!(facts[0].ip, Some("10.0.0.9".parse().unwrap()));
    }

    #[test]
    fn since_when_a_sidecar_runs_is_told_by_its_own_container() {
        let running = |at: &str| json!({"running": {"startedAt": at}});
        let pulls = json!({"waiting": {"reason": "PodInitializing"}});
        for (state, since) in [
            (
                running("2026-01-01T00:05:00Z"),
                Some("2026-01-01T00:05:00Z"),
            ),
            (pulls, None),
        ] {
            let app = status("app", running("2026-01-01T00:09:00Z"));
            let mut pod = pod("api", "", json!([app]));
            pod.metadata.creation_timestamp =
                serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
            let sidecar = serde_json::from_value(json!([status("secrets", state)])).unwrap();
            pod.status.as_mut().unwrap().init_container_statuses = sidecar;
            let facts = facts(&[pod], "job");
            let since = since.map(|at| at.parse().unwrap());
            assert_eq!(facts[0].sidecar_started_at, since);
        }
    }

    #[test]
    fn the_main_containers_end_is_told_before_the_sidecars() {
        let both = json!([
            status(
                "secrets",
                json!({"terminated": {"exitCode": 1, "message": "sidecar"}})
            ),
            status(
                "app",
                json!({"terminated": {"exitCode": 78, "message": "bad set", "finishedAt": "2026-01-01T00:00:05Z"}})
            ),
        ]);
        let facts = facts(&[pod("api", "", both)], "job");
        let end = facts[0].terminated.clone().unwrap();
        assert_eq!((end.container.as_str(), end.exit_code), ("app", 78));
        assert_eq!(end.finished_at, "2026-01-01T00:00:05Z".parse().ok());
    }

    #[test]
    fn pods_of_another_job_are_left_out() {
        let pods = [
            pod("migration", "old", json!([])),
            pod("migration", "job", json!([])),
        ];
        let facts = facts(&pods, "job");
        assert_eq!(facts.len(), 1);
        assert_eq!(facts[0].component, PodComponent::Migration);
    }
}
