//! Tells what was found and done: the status and Events.
//!
//! Owns the two writes. The status is written only when it differs from what was read (I-05), and an
//! Event is told once. A status that cannot be written fails the reconcile; an Event that cannot be
//! written is logged and lost.

use std::time::Instant;

use erpgo_crds::{ErpGo, ErpGoStatus};
use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Api, Resource as _, ResourceExt as _};
use serde_json::json;

use super::context::Context;
use super::error::ReconcileError;
use super::names::STATUS_FIELD_MANAGER;
use super::status::EventNote;
use crate::runtime::progress::Key;

// The API's limit for a note.
const MAX_NOTE: usize = 1024;

/// Writes `status` if it is news.
///
/// # Errors
/// When the API refuses; that the object is gone is no failure.
pub async fn status(
    context: &Context,
    erpgo: &ErpGo,
    status: &ErpGoStatus,
) -> Result<(), ReconcileError> {
    if erpgo.status.as_ref() == Some(status) {
        return Ok(());
    }
    let namespace = erpgo.namespace().unwrap_or_default();
    let api: Api<ErpGo> = Api::namespaced(context.client.clone(), &namespace);
    let name = erpgo.name_any();
    let patch = json!({
        "apiVersion": ErpGo::api_version(&()),
        "kind": ErpGo::kind(&()),
        "metadata": {"name": name, "uid": erpgo.metadata.uid},
        "status": status,
    });
    let params = PatchParams::apply(STATUS_FIELD_MANAGER).force();
    match api
        .patch_status(&name, &params, &Patch::Apply(&patch))
        .await
    {
        Ok(_) => {
            context.health.metrics.wrote("ErpGoStatus");
            Ok(())
        }
        Err(kube::Error::Api(answer)) if answer.is_not_found() => Ok(()),
        Err(source) => Err(ReconcileError::Publish(source)),
    }
}

/// Tells each note that is news.
pub async fn events(context: &Context, key: &Key, erpgo: &ErpGo, notes: &[EventNote]) {
    let reference = erpgo.object_ref(&());
    for note in notes {
        if !context.memory.is_news(key, note, Instant::now()) {
            continue;
        }
        let event = Event {
            type_: if note.warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: note.reason.to_owned(),
            note: Some(shortened(&note.message).to_owned()),
            action: note.action.to_owned(),
            secondary: None,
        };
        // A recorder that is kept would count up the last Event of this reason and leave its old note.
        let recorder = Recorder::new(context.client.clone(), context.reporter.clone());
        match recorder.publish(&event, &reference).await {
            Ok(()) => context.health.metrics.wrote("Event"),
            Err(error) => tracing::warn!(%error, reason = note.reason, "an Event was not written"),
        }
    }
}

fn shortened(text: &str) -> &str {
    let mut end = text.len().min(MAX_NOTE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let long = "é".repeat(600);
        let short = shortened(&long);
        assert!(short.len() <= MAX_NOTE && long.starts_with(short) && short.len() > MAX_NOTE - 4);
        assert_eq!(shortened("short"), "short");
    }
}
