//! Runs the Job that changes the password of a login.
//!
//! Owns [`run`]: the Job is created once, on the generation that it was decided on or not at all; then
//! the Secret that it mounts, which it owns. After a crash between the two, the next reconcile finds
//! the Job and makes the Secret; the pod waits for it meanwhile.

use erpgo_secret_set::Generation;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt as _;

use super::apply::Applier;
use super::error::ReconcileError;
use super::names::{ERRAND, MADE_WITH};
use super::objects::Kind;
use crate::rotation::{Errand, Task};
use crate::secrets::{Ensured, SecretsError};

pub(super) async fn run(applier: &Applier<'_>, job: &Job) -> Result<(), ReconcileError> {
    let (context, erpgo) = (applier.context, applier.erpgo);
    let annotation = |key: &str| job.annotations().get(key);
    let errand = annotation(ERRAND).and_then(|text| text.parse::<Errand>().ok());
    let on = annotation(MADE_WITH).and_then(|text| text.parse().ok());
    let (Some(errand), Some(on)) = (errand, on.map(Generation)) else {
        return Ok(());
    };
    let secrets = &context.secrets;
    let Some(document) = secrets.read_at(erpgo, on).await.map_err(failed)? else {
        return Ok(());
    };
    applier.create_once(job).await?;
    if errand.task == Task::Clear {
        return Ok(());
    }
    let name = job.name_any();
    let Some(owner) = owner(applier, &name).await? else {
        return Ok(());
    };
    let made = secrets.ensure_verifier(erpgo, &document, owner, &errand);
    if made.await.map_err(failed)? == Ensured::Created {
        context.health.metrics.wrote("Secret");
    }
    Ok(())
}

fn failed(source: SecretsError) -> ReconcileError {
    let what = "the Job for a password";
    ReconcileError::Effect { what, source }
}

async fn owner(
    applier: &Applier<'_>,
    name: &str,
) -> Result<Option<OwnerReference>, ReconcileError> {
    let kind = Kind::of::<Job>();
    let found = applier.api(&kind).get_metadata_opt(name).await;
    let found = found.map_err(|source| ReconcileError::Observe {
        what: kind.name,
        source,
    })?;
    let live = found.filter(|live| applier.owns(live));
    Ok(live.and_then(|live| {
        Some(OwnerReference {
            api_version: "batch/v1".into(),
            kind: kind.name.into(),
            name: name.to_owned(),
            uid: live.metadata.uid?,
            controller: Some(true),
            block_owner_deletion: None,
        })
    }))
}
