//! What a deletion removes.
//!
//! Owns the finalizer. Children go by their owner references; this step removes what
//! `deletionPolicy: Delete` names and nothing else (I-08). It needs no valid spec, no database and no
//! Secret of the user. A backend that cannot be reached delays the end by five minutes at most: then
//! a Warning says what was left behind.

use std::time::Duration;

use erpgo_crds::ErpGo;
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;

use super::Done;
use super::context::Context;
use super::error::ReconcileError;
use super::names::FINALIZER;
use super::publish;
use super::status::EventNote;
use crate::runtime::progress::Key;
use crate::secrets::SecretsError;

const PATIENCE_SECONDS: i64 = 300;
const AGAIN: Duration = Duration::from_secs(15);

/// Puts the finalizer on, before the first write that it covers.
///
/// # Errors
/// When the API refuses, or the object changed since it was read.
pub async fn ensure(context: &Context, erpgo: &ErpGo) -> Result<(), ReconcileError> {
    if has_finalizer(erpgo) {
        return Ok(());
    }
    let mut all = erpgo.finalizers().to_vec();
    all.push(FINALIZER.to_owned());
    write(context, erpgo, &all).await
}

/// Removes what the policy names, then the finalizer.
///
/// # Errors
/// When the API refuses.
pub async fn finalize(context: &Context, key: &Key, erpgo: &ErpGo) -> Result<Done, ReconcileError> {
    if !has_finalizer(erpgo) {
        return Ok(Done::Gone);
    }
    if let Err(error) = context.secrets.delete(erpgo).await {
        let begun = erpgo.metadata.deletion_timestamp.as_ref();
        let given_up = is_given_up(begun.map(|begun| begun.0), Timestamp::now());
        tracing::warn!(
            namespace = key.namespace,
            name = key.name,
            given_up,
            error = %erpgo_telemetry::chain(&error),
            "the secrets could not be deleted"
        );
        publish::events(context, key, erpgo, &[note(&error, given_up)]).await;
        if !given_up {
            return Ok(Done::Again {
                after: AGAIN,
                waiting: true,
            });
        }
    }
    let rest: Vec<String> = erpgo
        .finalizers()
        .iter()
        .filter(|name| *name != FINALIZER)
        .cloned()
        .collect();
    write(context, erpgo, &rest).await?;
    context.memory.forget(key);
    Ok(Done::Gone)
}

fn has_finalizer(erpgo: &ErpGo) -> bool {
    erpgo.finalizers().iter().any(|name| name == FINALIZER)
}

// Whether a deletion that began then has waited long enough for a backend.
fn is_given_up(begun: Option<Timestamp>, now: Timestamp) -> bool {
    begun.is_some_and(|begun| now.as_second() - begun.as_second() >= PATIENCE_SECONDS)
}

fn note(error: &SecretsError, given_up: bool) -> EventNote {
    let what_now = if given_up {
        "gave up after 5 minutes: delete the secret set by hand"
    } else {
        "trying again for up to 5 minutes"
    };
    EventNote {
        warning: true,
        reason: "SecretsNotDeleted",
        action: "Finalize",
        message: format!("{error}; {what_now}"),
    }
}

async fn write(
    context: &Context,
    erpgo: &ErpGo,
    finalizers: &[String],
) -> Result<(), ReconcileError> {
    let namespace = erpgo.namespace().unwrap_or_default();
    let api: Api<ErpGo> = Api::namespaced(context.client.clone(), &namespace);
    // The resource version makes the write fail when somebody changed the list meanwhile.
    let patch = json!({"metadata": {
        "finalizers": finalizers,
        "resourceVersion": erpgo.metadata.resource_version,
    }});
    let name = erpgo.name_any();
    match api
        .patch_metadata(&name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
    {
        Ok(_) => {
            context.health.metrics.wrote("ErpGo");
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(source) => Err(ReconcileError::Finalize(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_that_is_away_is_waited_for_five_minutes_and_no_longer() {
        let second = |second| Timestamp::from_second(second).unwrap();
        let begun = Some(second(1_000));
        for (now, given_up) in [(999, false), (1_299, false), (1_300, true), (9_999, true)] {
            assert_eq!(is_given_up(begun, second(now)), given_up, "{now}");
        }
        assert!(!is_given_up(None, second(9_999)));
    }

    #[test]
    fn what_is_told_says_whether_it_goes_on() {
        let away = SecretsError::Unreachable(None);
        let goes_on = note(&away, false);
        let over = note(&away, true);
        let cause = "the secret backend does not answer; ";
        assert_eq!(
            goes_on.message,
            format!("{cause}trying again for up to 5 minutes")
        );
        assert_eq!(
            over.message,
            format!("{cause}gave up after 5 minutes: delete the secret set by hand")
        );
        assert!(goes_on.warning && over.warning);
    }
}
