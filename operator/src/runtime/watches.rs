//! What wakes a reconcile.
//!
//! Owns the watches: metadata only, filtered by our label, small pages, managed fields stripped, so
//! that memory does not grow with what else lives in the cluster. Secrets are not watched. Each event
//! is noted in [`crate::reconcile::children`] and mapped to the `ErpGo` that its label names, if it is
//! news. A watch that breaks is begun again with back-off; the periodic reconcile covers what was
//! missed meanwhile.

use std::fmt::Debug;
use std::sync::Arc;

use erpgo_crds::ErpGo;
use futures::stream::{self, BoxStream, SelectAll};
use futures::{Stream, StreamExt as _};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, store::Writer};
use kube::runtime::utils::{PredicateConfig, predicates};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{Predicate as _, WatchStreamExt as _};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

use super::health::Health;
use super::progress::Key;
use crate::reconcile::Context;
use crate::reconcile::names::{FIELD_MANAGER, INSTANCE_LABEL, MANAGED_BY_LABEL};

/// An `ErpGo` as the queue knows it: its body is read afresh by each reconcile.
pub type Handle = PartialObjectMeta<ErpGo>;

const PAGE: u32 = 50;

/// Where the operator looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// In every namespace.
    Cluster,
    /// In one.
    Namespace(String),
}

impl Reach {
    fn api<K>(&self, client: &Client) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        match self {
            Self::Cluster => Api::all(client.clone()),
            Self::Namespace(name) => Api::namespaced(client.clone(), name),
        }
    }
}

/// Every change of an `ErpGo` that asks for a reconcile. Our own status writes do not: they change
/// neither generation nor annotations.
pub fn erpgos(
    client: &Client,
    reach: &Reach,
    writer: Writer<Handle>,
    health: Arc<Health>,
) -> impl Stream<Item = ObjectRef<Handle>> + Send + use<> {
    let wanted = predicates::generation
        .combine(predicates::annotations)
        .combine(predicates::finalizers);
    watcher(
        reach.api::<Handle>(client),
        watcher::Config::default().page_size(PAGE),
    )
    .default_backoff()
    .modify(|object| object.metadata.managed_fields = None)
    .reflect(writer)
    .applied_objects()
    .predicate_filter(wanted, PredicateConfig::default())
    .filter_map(move |item| {
        let found = noted(item, "ErpGo", &health);
        async move { found.map(|object| ObjectRef::from_obj(&object)) }
    })
}

/// Every change of a child that is news.
pub fn children(
    context: &Arc<Context>,
    reach: &Reach,
) -> SelectAll<BoxStream<'static, ObjectRef<Handle>>> {
    stream::select_all([
        child::<ServiceAccount>(context, reach),
        child::<Role>(context, reach),
        child::<RoleBinding>(context, reach),
        child::<ConfigMap>(context, reach),
        child::<Job>(context, reach),
        child::<Deployment>(context, reach),
        child::<Service>(context, reach),
        child::<HorizontalPodAutoscaler>(context, reach),
        child::<PodDisruptionBudget>(context, reach),
        child::<NetworkPolicy>(context, reach),
        child::<Ingress>(context, reach),
        child::<Pod>(context, reach),
    ])
}

fn child<K>(context: &Arc<Context>, reach: &Reach) -> BoxStream<'static, ObjectRef<Handle>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + k8s_openapi::Resource
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let context = Arc::clone(context);
    context.children.announce(K::KIND);
    let config = watcher::Config::default()
        .labels(&format!("{MANAGED_BY_LABEL}={FIELD_MANAGER}"))
        .page_size(PAGE);
    watcher(reach.api::<PartialObjectMeta<K>>(&context.client), config)
        .default_backoff()
        .flat_map(move |item| stream::iter(news(&context, K::KIND, item)))
        .map(|key| ObjectRef::new(&key.name).within(&key.namespace))
        .boxed()
}

// Whose children have changed.
fn news<K: Resource>(
    context: &Context,
    kind: &'static str,
    item: watcher::Result<Event<PartialObjectMeta<K>>>,
) -> Vec<Key> {
    let children = &context.children;
    match noted(item, kind, &context.health) {
        None => children.failed(kind),
        Some(Event::Init) => children.begun(kind),
        Some(Event::InitDone) => return children.listed(kind),
        Some(Event::InitApply(child) | Event::Apply(child)) => {
            let version = child.resource_version().unwrap_or_default();
            let is_news = |of: &Key| children.saw(kind, of, &child.name_any(), &version);
            return parent(&child).filter(is_news).into_iter().collect();
        }
        Some(Event::Delete(child)) => {
            let is_news = |of: &Key| children.saw_end(kind, of, &child.name_any());
            return parent(&child).filter(is_news).into_iter().collect();
        }
    }
    Vec::new()
}

fn parent<K: Resource>(child: &PartialObjectMeta<K>) -> Option<Key> {
    Some(Key {
        namespace: child.metadata.namespace.clone()?,
        name: child.metadata.labels.as_ref()?.get(INSTANCE_LABEL)?.clone(),
    })
}

fn noted<T>(item: watcher::Result<T>, kind: &'static str, health: &Health) -> Option<T> {
    match item {
        Ok(object) => Some(object),
        Err(error) => {
            health.metrics.watch_failed(kind);
            tracing::warn!(kind, %error, "a watch broke and is begun again");
            None
        }
    }
}
