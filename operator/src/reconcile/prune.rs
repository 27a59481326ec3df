//! Deletes owned objects that are wanted no more.
//!
//! Owns [`remove`]. It asks for what the watch tells of, or cannot tell of. An object goes only if the
//! `ErpGo`'s uid owns it and it bears our label, and the delete carries the uid and resource version
//! that were read (I-11). Migration Jobs go by an effect of the plan.

use kube::ResourceExt as _;
use kube::api::{DeleteParams, Preconditions};

use super::apply::Applier;
use super::children::Presence;
use super::error::ReconcileError;
use super::names::{FIELD_MANAGER, MANAGED_BY_LABEL};
use super::objects::Kind;

/// Deletes the object of `kind` that bears the `ErpGo`'s name, if it is ours.
pub(super) async fn remove(applier: &Applier<'_>, kind: &Kind) -> Result<(), ReconcileError> {
    let name = applier.key.name.clone();
    if applier.presence(kind, &name) == Presence::Absent {
        return Ok(());
    }
    let found = applier.api(kind).get_metadata_opt(&name).await;
    let found = found.map_err(|source| ReconcileError::Observe {
        what: kind.name,
        source,
    })?;
    let Some(live) = found else {
        return Ok(());
    };
    let by = live.labels().get(MANAGED_BY_LABEL);
    let labelled = by.is_some_and(|by| by == FIELD_MANAGER);
    let going = live.metadata.deletion_timestamp.is_some();
    if going || !labelled || !applier.owns(&live) {
        return Ok(());
    }
    let found = Preconditions {
        uid: live.metadata.uid.clone(),
        resource_version: live.metadata.resource_version.clone(),
    };
    delete(applier, kind, &name, found).await
}

/// Deletes one object as it was found; that it is gone already is no failure.
pub(super) async fn delete(
    applier: &Applier<'_>,
    kind: &Kind,
    name: &str,
    found: Preconditions,
) -> Result<(), ReconcileError> {
    let params = DeleteParams::background().preconditions(found);
    match applier.api(kind).delete(name, &params).await {
        Ok(_) => applier.wrote(kind, name, "deleted"),
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        Err(source) => {
            return Err(ReconcileError::Prune {
                kind: kind.name,
                name: name.to_owned(),
                source,
            });
        }
    }
    let children = &applier.context.children;
    children.is_gone(kind.name, &applier.key, name);
    Ok(())
}
