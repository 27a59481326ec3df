//! The ConfigMap `NAME-rotation-log`.
//!
//! Owns its reading and its writes: one when something happened, none at rest (I-05). It carries the
//! `ErpGo` as its owner and goes with it. What happened is logged before document and status change: what
//! they show no more is in the log, whenever the operator dies. A write that comes too late or is refused
//! fails the reconcile: what is not logged is not remembered, and the next one comes to it again.

use std::collections::BTreeMap;

use erpgo_crds::ErpGo;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Resource as _};
use serde_json::json;

use super::context::Context;
use super::error::ReconcileError;
use super::names::{Component, FIELD_MANAGER, Names};
use crate::rotation::Note;
use crate::rotation::log::{Entry, append};

/// The key of the log in its ConfigMap.
pub const LOG_KEY: &str = "log.jsonl";
const KIND: &str = "ConfigMap";

/// Appends `notes`.
///
/// # Errors
/// When the API refuses.
pub(super) async fn write(
    context: &Context,
    erpgo: &ErpGo,
    notes: &[Note],
) -> Result<(), ReconcileError> {
    if notes.is_empty() {
        return Ok(());
    }
    let names = Names::of(erpgo);
    let name = names.rotation_log();
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), names.namespace());
    let found = api
        .get_opt(&name)
        .await
        .map_err(|source| ReconcileError::Observe {
            what: "the rotation log",
            source,
        })?;
    let text = found
        .as_ref()
        .and_then(|map| map.data.as_ref()?.get(LOG_KEY));
    let log = parse(text.map_or("", String::as_str));
    let Some(log) = append(&log, notes, Timestamp::now()) else {
        return Ok(());
    };
    let written = match found {
        Some(map) => {
            let patch = json!({
                "metadata": {"resourceVersion": map.metadata.resource_version},
                "data": {LOG_KEY: to_text(&log)},
            });
            let params = PatchParams {
                field_manager: Some(FIELD_MANAGER.into()),
                ..PatchParams::default()
            };
            api.patch(&name, &params, &Patch::Merge(&patch)).await
        }
        None => create(&api, &names, erpgo, &log).await,
    };
    written.map_err(|source| ReconcileError::Apply {
        kind: KIND,
        name,
        source,
    })?;
    context.health.metrics.wrote(KIND);
    Ok(())
}

async fn create(
    api: &Api<ConfigMap>,
    names: &Names,
    erpgo: &ErpGo,
    log: &[Entry],
) -> Result<ConfigMap, kube::Error> {
    let map = ConfigMap {
        metadata: ObjectMeta {
            owner_references: erpgo.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..names.metadata(names.rotation_log(), Component::Secrets)
        },
        data: Some(BTreeMap::from([(LOG_KEY.to_owned(), to_text(log))])),
        ..ConfigMap::default()
    };
    let params = PostParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PostParams::default()
    };
    api.create(&params, &map).await
}

/// The entries of a log, one a line. A line that is none is left out, and the chain shows that.
#[must_use]
pub fn parse(text: &str) -> Vec<Entry> {
    let lines = text.lines();
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

fn to_text(log: &[Entry]) -> String {
    let lines = log
        .iter()
        .filter_map(|entry| serde_json::to_string(entry).ok());
    lines.map(|line| line + "\n").collect()
}
