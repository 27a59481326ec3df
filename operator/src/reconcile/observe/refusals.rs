//! Why a controller gets no pods.
//!
//! Owns the reading of the Event that the controller of Jobs leaves behind when the API server
//! refuses its pods: a quota, a policy. A Job says so nowhere else. Read only while a running Job has
//! no pod, by the Job's uid and with a limit (I-12).

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::pods::JOB_NAME;
use super::{bounded, failed};
use crate::reconcile::context::Context;
use crate::reconcile::error::ReconcileError;
use crate::reconcile::observed::{JobFacts, JobState};
use crate::runtime::progress::Key;

const MAX_EVENTS: u32 = 10;

pub(super) async fn of_pods(
    context: &Context,
    key: &Key,
    job: &JobFacts,
    pods: &[Pod],
) -> Result<Option<String>, ReconcileError> {
    let has_pod = pods
        .iter()
        .any(|pod| pod.labels().get(JOB_NAME) == Some(&job.name));
    if has_pod || job.state != JobState::Running {
        return Ok(None);
    }
    let api: Api<Event> = Api::namespaced(context.client.clone(), &key.namespace);
    let fields = format!("regarding.uid={},reason=FailedCreate", job.uid);
    let params = ListParams::default().fields(&fields).limit(MAX_EVENTS);
    let events = api.list(&params).await;
    let events = events.map_err(failed("the events of the migration Job"))?;
    Ok(newest(&events.items))
}

fn newest(events: &[Event]) -> Option<String> {
    let newest = events
        .iter()
        .max_by_key(|event| event.creation_timestamp().map(|at| at.0))?;
    newest.note.as_deref().map(why)
}

/// The reason without the pod's name, which is another one at each attempt and would make news of
/// the same refusal.
pub(super) fn why(message: &str) -> String {
    let reason = message.split_once(" is forbidden: ");
    bounded(reason.map_or(message, |(_, reason)| reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_newest_event_counts_and_the_pods_name_does_not() {
        let event = |at: &str, note: &str| -> Event {
            serde_json::from_value(
                json!({"metadata": {"creationTimestamp": at}, "eventTime": null, "note": note}),
            )
            .unwrap()
        };
        let events = [
            event(
                "2026-01-01T00:00:02Z",
                "Error creating: pods \"shop-a-x1\" is forbidden: exceeded quota: small",
            ),
            event("2026-01-01T00:00:01Z", "older"),
        ];
        assert_eq!(newest(&events).unwrap(), "exceeded quota: small");
        assert_eq!(newest(&[]), None);
        assert_eq!(why("anything else"), "anything else");
    }
}
