//! What wakes a reconcile.
//!
//! Owns the watches: metadata only, filtered by our label, small pages, managed fields stripped, so
//! that memory does not grow with what else lives in the cluster. Secrets are not watched. Each event
//! is mapped to the `ErpGo` that its label names. A watch that breaks is begun again with back-off;
//! the periodic reconcile covers what was missed meanwhile.

use std::fmt::Debug;
use std::sync::Arc;

use erpgo_crds::ErpGo;
use futures::stream::{BoxStream, SelectAll};
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
use kube::runtime::{Predicate as _, WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::health::Health;
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

/// Every change of a child.
pub fn children(
    client: &Client,
    reach: &Reach,
    health: &Arc<Health>,
) -> SelectAll<BoxStream<'static, ObjectRef<Handle>>> {
    futures::stream::select_all([
        child::<ServiceAccount>(client, reach, health),
        child::<Role>(client, reach, health),
        child::<RoleBinding>(client, reach, health),
        child::<ConfigMap>(client, reach, health),
        child::<Job>(client, reach, health),
        child::<Deployment>(client, reach, health),
        child::<Service>(client, reach, health),
        child::<HorizontalPodAutoscaler>(client, reach, health),
        child::<PodDisruptionBudget>(client, reach, health),
        child::<NetworkPolicy>(client, reach, health),
        child::<Ingress>(client, reach, health),
        child::<Pod>(client, reach, health),
    ])
}

fn child<K>(
    client: &Client,
    reach: &Reach,
    health: &Arc<Health>,
) -> BoxStream<'static, ObjectRef<Handle>>
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
    let health = Arc::clone(health);
    let config = watcher::Config::default()
        .labels(&format!("{MANAGED_BY_LABEL}={FIELD_MANAGER}"))
        .page_size(PAGE);
    watcher(reach.api::<PartialObjectMeta<K>>(client), config)
        .default_backoff()
        .touched_objects()
        .filter_map(move |item| {
            let found = noted(item, K::KIND, &health);
            async move { found.as_ref().and_then(parent) }
        })
        .boxed()
}

fn parent<K: Resource>(child: &PartialObjectMeta<K>) -> Option<ObjectRef<Handle>> {
    let name = child.metadata.labels.as_ref()?.get(INSTANCE_LABEL)?;
    let namespace = child.metadata.namespace.as_deref()?;
    Some(ObjectRef::new(name).within(namespace))
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
