//! One reconcile: observe, plan, apply, publish.
//!
//! Owns the order of the four steps and nothing else. A failure of apply or of the rotation log is
//! published as what it means to a person before it is returned; waiting is no failure.

pub mod apply;
pub mod autoscaler;
pub mod backoff;
pub mod build;
pub mod check;
pub mod children;
pub mod config;
pub mod connections;
pub mod context;
pub mod drift;
pub mod effects;
mod errands;
pub mod error;
pub mod finalize;
mod handover;
pub mod inputs;
pub mod live;
mod measure;
pub mod memory;
pub mod migrate;
pub mod names;
pub mod objects;
pub mod observe;
pub mod observed;
pub mod phase;
pub mod plan;
pub mod preview;
mod prune;
pub mod publish;
pub mod reason;
pub mod redis;
pub mod refused;
pub mod requeue;
pub mod rotation;
mod rotation_condition;
pub mod rotation_log;
pub mod sidecar;
pub mod sources;
pub mod stale;
pub mod status;
mod success;
pub(crate) mod text;
mod undone;
pub mod unready;
mod untold;
pub mod valid;
pub mod validate;
mod write_secrets;

use std::time::Duration;

pub use context::Context;
use erpgo_crds::ErpGo;
use erpgo_secret_set::KeyName;
pub use error::ReconcileError;
use jiff::Timestamp;
use kube::Api;
use live::Live;
use observe::Reading;
use observed::Observed;
use plan::{Plan, plan};
use requeue::Requeue;
use rotation_log::Log;
use tracing::Span;
use tracing::field::Empty;

use crate::runtime::progress::Key;

// What no watch tells of (Secrets, Vault, optional kinds) is looked at again within this time.
const AT_REST: Duration = erpgo_secret_set::OPERATOR_RECONCILES_EVERY;

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// There is nothing to look after any more.
    Gone,
    /// Look again.
    Again {
        /// After this time.
        after: Duration,
        /// Whether something is on its way.
        waiting: bool,
    },
}

/// The span of one reconcile of `key`; [`reconcile`] puts the generation that it reads into it.
#[must_use]
pub fn span(key: &Key) -> Span {
    tracing::info_span!(
        "reconcile",
        namespace = key.namespace,
        erpgo = key.name,
        generation = Empty
    )
}

/// Reconciles the `ErpGo` called `key`, within its [`span`].
///
/// # Errors
/// The first step that failed.
pub async fn reconcile(key: &Key, context: &Context) -> Result<Done, ReconcileError> {
    let Some(erpgo) = read(key, context).await? else {
        forget(context, key);
        return Ok(Done::Gone);
    };
    Span::current().record("generation", erpgo.metadata.generation);
    if erpgo.metadata.deletion_timestamp.is_some() {
        forget_metrics(context, key);
        return finalize::finalize(context, key, &erpgo).await;
    }
    let Reading { mut seen, live } = observe::observe(context, key, &erpgo).await?;
    let mut intent = plan(&erpgo, &seen, &context.config, Timestamp::now());
    let mut log = Log::of(context, &erpgo);
    let applied = carry_out(context, &erpgo, &intent, &live, &mut log).await;
    if note_outcome(context, key, &mut seen, &applied) {
        intent = plan(&erpgo, &seen, &context.config, Timestamp::now());
    }
    // First, so that what the status says to have happened is in the log.
    let logged = append(&mut log, &intent).await;
    if logged.is_err() {
        note_outcome(context, key, &mut seen, &logged);
        intent = plan(&erpgo, &seen, &context.config, Timestamp::now());
        let unlogged = |decided| rotation::unlogged(decided, erpgo.status.as_ref());
        intent.rotation = intent.rotation.map(unlogged);
    }
    publish(context, key, &erpgo, &intent, &seen).await?;
    let metrics = &context.health.metrics;
    measure::measure(metrics, key, &erpgo, &intent, Timestamp::now());
    applied.and(logged)?;
    context.memory.succeeded(key);
    Ok(again(&intent))
}

async fn read(key: &Key, context: &Context) -> Result<Option<ErpGo>, ReconcileError> {
    let api: Api<ErpGo> = Api::namespaced(context.client.clone(), &key.namespace);
    let found = api.get_opt(&key.name).await;
    found.map_err(|source| ReconcileError::Observe {
        what: "the ErpGo",
        source,
    })
}

// Nothing is written for an ErpGo without desired objects, not even the finalizer: a paused or
// refused one stays as it was found.
async fn carry_out(
    context: &Context,
    erpgo: &ErpGo,
    plan: &Plan,
    live: &Live,
    log: &mut Log<'_>,
) -> Result<(), ReconcileError> {
    let Some(desired) = &plan.desired else {
        return Ok(());
    };
    finalize::ensure(context, erpgo).await?;
    let (before, after) = effects::around_apply(&plan.effects);
    effects::carry_out(context, erpgo, before).await?;
    let applied = apply::apply(context, erpgo, desired, live).await;
    // Neither holds the other up: a backend that refuses a rotation stops no rollout, and an object that
    // is refused stops no revocation.
    let written = write(context, erpgo, plan, after, log).await;
    applied.and(written)
}

async fn write(
    context: &Context,
    erpgo: &ErpGo,
    plan: &Plan,
    effects: &[plan::Effect],
    log: &mut Log<'_>,
) -> Result<(), ReconcileError> {
    let decided = plan.rotation.as_ref();
    if decided.is_some_and(|decided| decided.write.is_some()) {
        // A document that is written shows no more what led to it: after a crash nobody could tell it again.
        append(log, plan).await?;
    }
    effects::carry_out(context, erpgo, effects).await
}

async fn append(log: &mut Log<'_>, plan: &Plan) -> Result<(), ReconcileError> {
    match &plan.rotation {
        Some(decided) => log.append(&decided.notes).await,
        None => Ok(()),
    }
}

/// Turns what a write met into an observation; tells whether that changed anything.
fn note_outcome(
    context: &Context,
    key: &Key,
    seen: &mut Observed,
    applied: &Result<(), ReconcileError>,
) -> bool {
    let before = (seen.quota_denied.clone(), seen.secret_set.clone());
    let refusal = applied.as_ref().err().and_then(ReconcileError::refusal);
    // A conflict or an outage says nothing about an earlier refusal.
    if applied.is_ok() || refusal.is_some() {
        context.memory.set_refusal(key, refusal.clone());
        seen.quota_denied = refusal;
    }
    if let Err(ReconcileError::Effect { source, .. }) = applied
        && seen.quota_denied.is_none()
    {
        seen.secret_set = observe::unreachable(source);
    }
    before != (seen.quota_denied.clone(), seen.secret_set.clone())
}

async fn publish(
    context: &Context,
    key: &Key,
    erpgo: &ErpGo,
    plan: &Plan,
    seen: &Observed,
) -> Result<(), ReconcileError> {
    let (status, notes) = status::status(erpgo, plan, seen, Timestamp::now());
    publish::status(context, erpgo, &status).await?;
    publish::events(context, key, erpgo, &notes).await;
    Ok(())
}

fn forget(context: &Context, key: &Key) {
    context.memory.forget(key);
    forget_metrics(context, key);
}

fn forget_metrics(context: &Context, key: &Key) {
    let keys = KeyName::ALL.map(KeyName::as_str);
    let metrics = &context.health.metrics;
    metrics.forget(&key.namespace, &key.name, &keys);
}

fn again(plan: &Plan) -> Done {
    let after = match plan.requeue {
        Requeue::AwaitChange => AT_REST,
        Requeue::After(after) => after,
    };
    Done::Again {
        after: backoff::jittered(after, backoff::random()),
        waiting: plan.waiting.is_some(),
    }
}
