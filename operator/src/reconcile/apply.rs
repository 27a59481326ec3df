//! Writes what is wanted, in a stated order.
//!
//! Owns [`apply`]. Order: identity and rights first, then settings, then the Jobs, then the
//! address and the policy that guards it, then the pods, then what scales and protects them, and at
//! the end the optional ways in and the monitoring, so that a CRD that refuses stops nothing else. Nor does
//! a Job: what serves does not wait for what is to come.
//!
//! Each object is read, unless observe has just done so, and left alone when it is as wanted (I-05).
//! Otherwise server-side apply with force takes the fields that are ours and no other (I-07). An
//! object that belongs to somebody else is never taken over. A Job is created once and never patched.

use erpgo_crds::ErpGo;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde::Serialize;
use serde_json::Value;

use super::build::Desired;
use super::children::Presence;
use super::context::Context;
use super::drift::{self, APPLIED_HASH};
use super::error::ReconcileError;
use super::live::Live;
use super::names::{FIELD_MANAGER, INSTANCE_LABEL, MANAGED_BY_LABEL};
use super::objects::{Kind, Wanted};
use super::{errands, handover, prune};
use crate::runtime::progress::Key;

/// One `ErpGo`'s writes.
pub struct Applier<'a> {
    pub(super) context: &'a Context,
    pub(super) erpgo: &'a ErpGo,
    pub(super) key: Key,
}

/// Writes `desired` and deletes what is wanted no more.
///
/// # Errors
/// The first failure, that of a Job last; what was written before it stays, and the next attempt goes on.
pub async fn apply(
    context: &Context,
    erpgo: &ErpGo,
    desired: &Desired,
    live: &Live,
) -> Result<(), ReconcileError> {
    let applier = Applier::new(context, erpgo);
    applier.prepare(desired).await?;
    let jobs = applier.run(desired).await;
    let serves = applier.serve(desired, live).await;
    serves.and(jobs)
}

fn http_route_kind() -> Kind {
    Kind::optional("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")
}

fn service_monitor_kind() -> Kind {
    Kind::optional(
        "monitoring.coreos.com",
        "v1",
        "ServiceMonitor",
        "servicemonitors",
    )
}

fn prometheus_rule_kind() -> Kind {
    Kind::optional(
        "monitoring.coreos.com",
        "v1",
        "PrometheusRule",
        "prometheusrules",
    )
}

impl<'a> Applier<'a> {
    pub(super) fn new(context: &'a Context, erpgo: &'a ErpGo) -> Self {
        Self {
            context,
            erpgo,
            key: Key {
                namespace: erpgo.namespace().unwrap_or_default(),
                name: erpgo.name_any(),
            },
        }
    }

    pub(super) fn api(&self, kind: &Kind) -> Api<DynamicObject> {
        kind.api(&self.context.client, &self.key.namespace)
    }

    async fn prepare(&self, desired: &Desired) -> Result<(), ReconcileError> {
        self.look(Wanted::of(&desired.service_account)?).await?;
        // The backend cannot be changed: where no Role is wanted there never was one.
        if let Some(role) = &desired.role {
            self.look(Wanted::of(role)?).await?;
        }
        if let Some(role_binding) = &desired.role_binding {
            self.look(Wanted::of(role_binding)?).await?;
        }
        self.look(Wanted::of(&desired.config_map)?).await?;
        self.settle::<NetworkPolicy>(desired.network_policy.as_ref())
            .await
    }

    async fn run(&self, desired: &Desired) -> Result<(), ReconcileError> {
        if let Some(job) = &desired.migration_job {
            self.create_once(job).await?;
        }
        for job in &desired.credentials_jobs {
            errands::run(self, job).await?;
        }
        Ok(())
    }

    async fn serve(&self, desired: &Desired, live: &Live) -> Result<(), ReconcileError> {
        self.look(Wanted::of(&desired.service)?).await?;
        if let Some(deployment) = &desired.deployment {
            self.roll(Wanted::of(deployment)?, live).await?;
        }
        self.scale(desired.hpa.as_ref(), live).await?;
        self.settle::<PodDisruptionBudget>(desired.pdb.as_ref())
            .await?;
        self.settle::<Ingress>(desired.ingress.as_ref()).await?;
        let apis = *self.context.apis.borrow();
        self.settle_optional([
            (apis.http_route, http_route_kind(), &desired.http_route),
            (
                apis.service_monitor,
                service_monitor_kind(),
                &desired.service_monitor,
            ),
            (
                apis.prometheus_rule,
                prometheus_rule_kind(),
                &desired.prometheus_rule,
            ),
        ])
        .await
    }

    async fn settle<K>(&self, wanted: Option<&K>) -> Result<(), ReconcileError>
    where
        K: kube::Resource<DynamicType = ()> + k8s_openapi::Resource + serde::Serialize,
    {
        match wanted {
            Some(object) => self.look(Wanted::of(object)?).await,
            None => prune::remove(self, &Kind::of::<K>()).await,
        }
    }

    async fn roll(&self, wanted: Wanted, live: &Live) -> Result<(), ReconcileError> {
        let live = live.deployment.as_ref();
        handover::keep_replicas(self, &wanted, live).await?;
        self.ensure(wanted, live).await
    }

    async fn scale(
        &self,
        hpa: Option<&HorizontalPodAutoscaler>,
        live: &Live,
    ) -> Result<(), ReconcileError> {
        match hpa {
            Some(hpa) => self.ensure(Wanted::of(hpa)?, live.hpa.as_ref()).await,
            None => prune::remove(self, &Kind::of::<HorizontalPodAutoscaler>()).await,
        }
    }

    // A kind that the cluster does not serve is passed over; the status says so.
    async fn settle_optional(
        &self,
        objects: [(bool, Kind, &Option<DynamicObject>); 3],
    ) -> Result<(), ReconcileError> {
        for (served, kind, wanted) in objects {
            match wanted {
                _ if !served => {}
                Some(object) => self.look(Wanted::with_kind(kind, object)?).await?,
                None => prune::remove(self, &kind).await?,
            }
        }
        Ok(())
    }

    /// Makes one object as it is wanted, after a look at it.
    async fn look(&self, wanted: Wanted) -> Result<(), ReconcileError> {
        let live = self.read(&wanted.kind, &wanted.name).await?;
        self.converge(&wanted, live.as_ref()).await
    }

    /// Makes one object as it is wanted. What was not there a moment ago is looked for again: it may
    /// be somebody else's by now.
    async fn ensure<K>(&self, wanted: Wanted, live: Option<&K>) -> Result<(), ReconcileError>
    where
        K: kube::Resource + Serialize,
    {
        match live {
            Some(live) => self.converge(&wanted, Some(live)).await,
            None => self.look(wanted).await,
        }
    }

    async fn converge<K>(&self, wanted: &Wanted, live: Option<&K>) -> Result<(), ReconcileError>
    where
        K: kube::Resource + Serialize,
    {
        let desired = with_hash(&wanted.json);
        if let Some(live) = live {
            self.require_ours(live, wanted)?;
            let json = to_json(live, &wanted.kind)?;
            if drift::covers(&json, &desired) {
                return Ok(());
            }
        }
        self.patch(wanted, FIELD_MANAGER, &desired).await
    }

    pub(super) async fn read(
        &self,
        kind: &Kind,
        name: &str,
    ) -> Result<Option<DynamicObject>, ReconcileError> {
        let found = self.api(kind).get_opt(name).await;
        found.map_err(|source| ReconcileError::Observe {
            what: kind.name,
            source,
        })
    }

    pub(super) async fn patch(
        &self,
        wanted: &Wanted,
        manager: &str,
        json: &Value,
    ) -> Result<(), ReconcileError> {
        let params = PatchParams::apply(manager).force();
        let api = self.api(&wanted.kind);
        let done = api.patch(&wanted.name, &params, &Patch::Apply(json)).await;
        let made = done.map_err(|source| ReconcileError::Apply {
            kind: wanted.kind.name,
            name: wanted.name.clone(),
            source,
        })?;
        self.wrote(&wanted.kind, &wanted.name, "applied");
        self.remember(&wanted.kind, &made);
        Ok(())
    }

    pub(super) async fn create_once(&self, job: &Job) -> Result<(), ReconcileError> {
        let wanted = Wanted::of(job)?;
        if self.presence(&wanted.kind, &wanted.name) == Presence::Known {
            return Ok(());
        }
        let api = self.api(&wanted.kind);
        let found = api.get_metadata_opt(&wanted.name).await;
        let found = found.map_err(|source| ReconcileError::Observe {
            what: wanted.kind.name,
            source,
        })?;
        if found.is_some() {
            return Ok(());
        }
        let object: DynamicObject =
            serde_json::from_value(wanted.json).map_err(|source| ReconcileError::Encode {
                kind: wanted.kind.name,
                source,
            })?;
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.into()),
            ..PostParams::default()
        };
        match api.create(&params, &object).await {
            Ok(made) => {
                self.wrote(&wanted.kind, &wanted.name, "created");
                self.remember(&wanted.kind, &made);
            }
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(source) => {
                return Err(ReconcileError::Apply {
                    kind: wanted.kind.name,
                    name: wanted.name,
                    source,
                });
            }
        }
        Ok(())
    }

    pub(super) fn presence(&self, kind: &Kind, name: &str) -> Presence {
        let children = &self.context.children;
        children.presence(kind.name, &self.key, name)
    }

    fn remember(&self, kind: &Kind, made: &DynamicObject) {
        let version = made.resource_version().unwrap_or_default();
        let children = &self.context.children;
        children.wrote(kind.name, &self.key, &made.name_any(), &version);
    }

    pub(super) fn wrote(&self, kind: &Kind, name: &str, how: &'static str) {
        self.context.health.metrics.wrote(kind.name);
        tracing::info!(
            namespace = self.key.namespace,
            erpgo = self.key.name,
            kind = kind.name,
            name,
            "{how}"
        );
    }

    // An object without an owner is taken up if it bears our labels, as after a restore from a backup.
    fn require_ours(
        &self,
        live: &impl kube::Resource,
        wanted: &Wanted,
    ) -> Result<(), ReconcileError> {
        let labels = live.labels();
        let ours = live.owner_references().is_empty()
            && labels
                .get(MANAGED_BY_LABEL)
                .is_some_and(|by| by == FIELD_MANAGER)
            && labels.get(INSTANCE_LABEL) == Some(&self.key.name);
        if ours || self.owns(live) {
            return Ok(());
        }
        Err(ReconcileError::Foreign {
            kind: wanted.kind.name,
            name: wanted.name.clone(),
        })
    }

    pub(super) fn owns(&self, live: &impl kube::Resource) -> bool {
        let uid = self.erpgo.metadata.uid.as_deref();
        let owners = live.meta().owner_references.iter().flatten();
        uid.is_some()
            && owners
                .into_iter()
                .any(|owner| Some(owner.uid.as_str()) == uid)
    }
}

pub(super) fn to_json(live: &impl Serialize, kind: &Kind) -> Result<Value, ReconcileError> {
    serde_json::to_value(live).map_err(|source| ReconcileError::Encode {
        kind: kind.name,
        source,
    })
}

// The hash tells of fields that were applied once and are wanted no more: others' fields and those
// look alike in the live object.
fn with_hash(json: &Value) -> Value {
    let mut desired = json.clone();
    let hash = drift::hash(json);
    if let Some(metadata) = desired.get_mut("metadata").and_then(Value::as_object_mut) {
        let annotations = metadata
            .entry("annotations")
            .or_insert_with(|| Value::Object(serde_json::Map::new()));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.insert(APPLIED_HASH.to_owned(), Value::String(hash));
        }
    }
    desired
}
