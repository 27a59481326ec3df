//! The queue and its workers.
//!
//! Owns how reconciles are run: bounded concurrency, one at a time for each object, a limit on each,
//! bursts taken as one, and a graceful end. What a reconcile does is not decided here.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, Stream, StreamExt as _, stream};
use kube::runtime::controller::{Action, Config as QueueConfig};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{applier, watcher};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::metrics::Outcome;
use super::progress::Key;
use super::pulse;
use super::watches::{self, Handle, Reach};
use crate::reconcile::observed::ApiPresence;
use crate::reconcile::{self, Context, Done, ReconcileError};

/// Objects that are reconciled at once.
const CONCURRENCY: u16 = 10;
/// Events that come within this time are one reconcile.
const DEBOUNCE: Duration = Duration::from_millis(250);
/// The longest that one reconcile may take.
const LIMIT: Duration = Duration::from_secs(120);
/// How long the first reconciles wait for the watches of children.
const FIRST_LOOK: Duration = Duration::from_secs(30);
/// How long reconciles under way may go on after the process was told to end.
const GRACE: Duration = Duration::from_secs(20);

/// Runs until `shutdown` holds true, then lets what is under way finish.
pub async fn run(context: Arc<Context>, reach: &Reach, shutdown: watch::Receiver<bool>) {
    let (store, writer) = reflector::store::<Handle>();
    let health = &context.health;
    let own = watches::erpgos(&context.client, reach, writer, Arc::clone(health));
    let children = watches::children(&context, reach);
    let own = after_first_look(Arc::clone(&context), own);
    let apis = all_on_change(context.apis.clone(), store.clone());
    let told = stream::select(apis, pulse::changes(Arc::clone(&context)));
    let triggers = stream::select(own, stream::select(children, told));
    let queue = noted(Arc::clone(&context), store.clone(), triggers)
        .take_until(until_true(shutdown.clone()))
        .map(Ok::<_, watcher::Error>);
    let config = QueueConfig::default()
        .concurrency(CONCURRENCY)
        .debounce(DEBOUNCE);
    let forgetting = forget_the_deleted(Arc::clone(&context), store.clone());
    let work = applier(one, on_error, context, store, queue, config).for_each(|done| async move {
        if let Err(error) = done {
            tracing::debug!(%error, "the queue passed something over");
        }
    });
    tokio::select! {
        () = work => {}
        () = forgetting => {}
        () = cut_off(shutdown) => tracing::warn!("reconciles still under way are cut off"),
    }
}

// The first reconciles then know what there is, and the lists that told of it wake no second one.
fn after_first_look(
    context: Arc<Context>,
    own: impl Stream<Item = ObjectRef<Handle>> + Send + 'static,
) -> impl Stream<Item = ObjectRef<Handle>> + Send {
    async move {
        context.children.first_look(FIRST_LOOK).await;
        own
    }
    .flatten_stream()
}

// An object that is deleted while it is due is never reconciled, and must not look stuck.
async fn forget_the_deleted(context: Arc<Context>, store: Store<Handle>) {
    loop {
        tokio::time::sleep(Duration::from_secs(30)).await;
        let exists = |key: &Key| {
            let object = ObjectRef::<Handle>::new(&key.name).within(&key.namespace);
            store.get(&object).is_some()
        };
        context.health.progress.retain(exists);
        context.memory.retain(exists);
    }
}

async fn until_true(mut flag: watch::Receiver<bool>) {
    // An error means that the sender is gone, and then nothing can ask for an end any more.
    if flag.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn cut_off(shutdown: watch::Receiver<bool>) {
    until_true(shutdown).await;
    tokio::time::sleep(GRACE).await;
}

// A CRD that came or went concerns every object.
fn all_on_change(
    apis: watch::Receiver<ApiPresence>,
    store: Store<Handle>,
) -> impl Stream<Item = ObjectRef<Handle>> + Send {
    stream::unfold((apis, store), |(mut apis, store)| async move {
        if apis.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        let all: Vec<_> = store
            .state()
            .iter()
            .map(|object| ObjectRef::from_obj(object.as_ref()))
            .collect();
        Some((stream::iter(all), (apis, store)))
    })
    .flatten()
}

// What is asked for is noted as due, so that the liveness probe sees a queue that stands still.
fn noted(
    context: Arc<Context>,
    store: Store<Handle>,
    triggers: impl Stream<Item = ObjectRef<Handle>> + Send + 'static,
) -> impl Stream<Item = ObjectRef<Handle>> + Send {
    triggers.filter_map(move |object| {
        let exists = store.get(&object).is_some();
        if exists {
            let health = &context.health;
            health.progress.expect(key(&object), health.now());
        }
        // Before the first list is complete nothing exists yet: those pass, and the queue drops them
        // if they turn out not to.
        async move { Some(object) }
    })
}

fn key(object: &ObjectRef<Handle>) -> Key {
    Key {
        namespace: object.namespace.clone().unwrap_or_default(),
        name: object.name.clone(),
    }
}

type Running = Pin<Box<dyn Future<Output = Result<Action, ReconcileError>> + Send>>;

fn one(object: Arc<Handle>, context: Arc<Context>) -> Running {
    let key = key(&ObjectRef::from_obj(object.as_ref()));
    Box::pin(async move {
        let begun = context.health.now();
        context.health.progress.begin(&key, begun);
        let work = {
            let (key, context) = (key.clone(), Arc::clone(&context));
            async move { tokio::time::timeout(LIMIT, reconcile::reconcile(&key, &context)).await }
        };
        // A task of its own takes no span along by itself.
        let result = match apart(work.instrument(reconcile::span(&key))).await {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(ReconcileError::Overtime),
            None => Err(ReconcileError::Panicked),
        };
        finish(&key, &context, begun, result)
    })
}

// A task of its own: reconciles then run on every core, and a panic ends one of them only. It ends
// with whoever waits for it, so that none goes on to write when the lease is lost.
async fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let mut task = JoinSet::new();
    task.spawn(work);
    task.join_next().await?.ok()
}

fn finish(
    key: &Key,
    context: &Context,
    begun: Duration,
    result: Result<Done, ReconcileError>,
) -> Result<Action, ReconcileError> {
    let health = &context.health;
    health.progress.end(key);
    let took = health.now().saturating_sub(begun);
    match result {
        Ok(Done::Gone) => {
            health.metrics.reconciled(Outcome::Settled, took);
            Ok(Action::await_change())
        }
        Ok(Done::Again { after, waiting }) => {
            let outcome = if waiting {
                Outcome::Waiting
            } else {
                Outcome::Settled
            };
            health.metrics.reconciled(outcome, took);
            health.progress.expect(key.clone(), health.now() + after);
            Ok(Action::requeue(after))
        }
        Err(error) => {
            health.metrics.reconciled(Outcome::Failed, took);
            health.metrics.failed(error.label());
            Err(error)
        }
    }
}

fn on_error(object: Arc<Handle>, error: &ReconcileError, context: Arc<Context>) -> Action {
    let key = key(&ObjectRef::from_obj(object.as_ref()));
    let after = context.memory.retry_after(&key, error.retry());
    tracing::warn!(
        namespace = key.namespace,
        name = key.name,
        label = error.label(),
        retry_seconds = after.as_secs(),
        error = %erpgo_telemetry::chain(error),
        "a reconcile failed and is tried again"
    );
    let health = &context.health;
    health.progress.expect(key, health.now() + after);
    Action::requeue(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reconcile_ends_with_whoever_waits_for_it_and_a_panic_ends_nothing_else() {
        let (begun, mut begins) = watch::channel(false);
        let work = async move {
            begun.send_replace(true);
            std::future::pending::<()>().await;
        };
        let mut waiting = Box::pin(apart(work));
        tokio::select! {
            _ = &mut waiting => panic!("it ended by itself"),
            begins = begins.wait_for(|begun| *begun) => drop(begins.unwrap()),
        }
        drop(waiting);
        // Its end of the channel goes with it.
        let ended = tokio::time::timeout(GRACE, begins.changed());
        assert!(ended.await.unwrap().is_err());
        assert_eq!(apart(async { panic!("in a reconcile") }).await, None::<()>);
    }
}
