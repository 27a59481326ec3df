//! Carries out the effects of a plan.
//!
//! Owns one arm for each [`Effect`]; each is idempotent, and a Secret that exists is left alone.

use erpgo_crds::ErpGo;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;
use kube::api::Preconditions;

use super::apply::Applier;
use super::context::Context;
use super::error::ReconcileError;
use super::objects::Kind;
use super::plan::Effect;
use super::{prune, write_secrets};
use crate::secrets::{Ensured, SecretsError};

/// Those of `effects` that objects need, and those that wait for no object and that none waits for.
#[must_use]
pub fn around_apply(effects: &[Effect]) -> (&[Effect], &[Effect]) {
    let needed = |effect: &Effect| !matches!(effect, Effect::WriteSecrets { .. });
    effects.split_at(effects.partition_point(needed))
}

/// Carries out `effects` in their order.
///
/// # Errors
/// The first failure; the effects before it are done and the next attempt finds them so.
pub async fn carry_out(
    context: &Context,
    erpgo: &ErpGo,
    effects: &[Effect],
) -> Result<(), ReconcileError> {
    for effect in effects {
        carry_out_one(context, erpgo, effect).await?;
    }
    Ok(())
}

async fn carry_out_one(
    context: &Context,
    erpgo: &ErpGo,
    effect: &Effect,
) -> Result<(), ReconcileError> {
    let secrets = &context.secrets;
    let (what, made) = match effect {
        Effect::EnsureControlToken => (
            "the control token",
            secrets.ensure_control_token(erpgo).await,
        ),
        Effect::EnsureFirstGeneration => (
            "the first secret generation",
            secrets.ensure_first_generation(erpgo).await,
        ),
        Effect::FollowSources => (
            "the generation with the URLs of the user's Secrets",
            secrets.follow_sources(erpgo).await,
        ),
        Effect::EnsureAdminSecret => (
            "the first administrator's Secret",
            secrets.ensure_admin(erpgo).await,
        ),
        Effect::WriteSecrets { write, pods } => {
            return write_secrets::carry_out(context, erpgo, write, pods).await;
        }
        Effect::DeleteMigrationJob {
            name,
            uid,
            resource_version,
            because,
        } => {
            tracing::info!(job = name, ?because, "a migration Job goes");
            return delete_job(context, erpgo, name, uid, resource_version).await;
        }
    };
    note(context, erpgo, what, made)
}

fn note(
    context: &Context,
    erpgo: &ErpGo,
    what: &'static str,
    made: Result<Ensured, SecretsError>,
) -> Result<(), ReconcileError> {
    match made {
        Ok(Ensured::Present) => Ok(()),
        Ok(Ensured::Created) => {
            context.health.metrics.wrote("Secret");
            tracing::info!(
                namespace = erpgo.namespace(),
                erpgo = erpgo.name_any(),
                "made {what}"
            );
            Ok(())
        }
        Err(source) => Err(ReconcileError::Effect { what, source }),
    }
}

async fn delete_job(
    context: &Context,
    erpgo: &ErpGo,
    name: &str,
    uid: &str,
    resource_version: &str,
) -> Result<(), ReconcileError> {
    let applier = Applier::new(context, erpgo);
    let found = Preconditions {
        uid: Some(uid.to_owned()),
        resource_version: Some(resource_version.to_owned()),
    };
    prune::delete(&applier, &Kind::of::<Job>(), name, found).await
}
