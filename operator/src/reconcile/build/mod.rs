//! Every object that an `ErpGo` owns.
//!
//! Owns [`Desired`]: one named field per object, so that `apply` destructures it without `..` and a
//! new object that nobody applies does not compile.

pub mod alerts;
pub mod config_map;
pub mod credentials_job;
pub mod deployment;
pub mod dynamic;
pub mod hpa;
pub mod http_route;
pub mod ingress;
pub mod migration_job;
pub mod monitoring;
pub mod network_policy;
pub mod pdb;
pub mod pod;
pub mod prometheus_rule;
pub mod role;
pub mod role_binding;
pub mod service;
pub mod service_account;
pub mod service_monitor;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::DynamicObject;
use serde_json::Value;

use credentials_job::ErrandRun;
use deployment::Images;
use migration_job::MigrationRun;

use super::observed::ApiPresence;
use super::valid::ValidErpGo;

/// The whole set, in the order in which it is applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The pods' identity.
    pub service_account: ServiceAccount,
    /// What it may read; only with the Kubernetes backend.
    pub role: Option<Role>,
    /// Binds the two.
    pub role_binding: Option<RoleBinding>,
    /// Settings that the API reloads.
    pub config_map: ConfigMap,
    /// The wanted image's migrations: create it when it is absent, never patch it.
    pub migration_job: Option<Job>,
    /// What passwords of logins that take turns need next: create each when it is absent, never patch
    /// it.
    pub credentials_jobs: Vec<Job>,
    /// Who may reach the pods.
    pub network_policy: Option<NetworkPolicy>,
    /// The address of the API.
    pub service: Service,
    /// The pods.
    pub deployment: Option<Deployment>,
    /// Scaling by load.
    pub hpa: Option<HorizontalPodAutoscaler>,
    /// How many may be taken away.
    pub pdb: Option<PodDisruptionBudget>,
    /// Way in by Ingress.
    pub ingress: Option<Ingress>,
    /// Way in by the Gateway API.
    pub http_route: Option<DynamicObject>,
    /// Scraping.
    pub service_monitor: Option<DynamicObject>,
    /// Alerts.
    pub prometheus_rule: Option<DynamicObject>,
}

/// What is decided beside the spec.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided<'a> {
    /// Images of the Deployment; none until one may serve (I-01).
    pub images: Option<Images>,
    /// The run of the wanted image's migrations; none when it needs none.
    pub migration: Option<MigrationRun>,
    /// The runs that passwords of logins that take turns need next.
    pub errands: Vec<ErrandRun>,
    /// Optional APIs of the cluster.
    pub apis: ApiPresence,
    /// Namespace of the operator.
    pub operator_namespace: &'a str,
}

/// Builds every object. It cannot fail: what could was refused in validation.
#[must_use]
pub fn desired(app: &ValidErpGo, decided: &Decided<'_>) -> Desired {
    let deployment = decided.images.as_ref();
    let deployment = deployment.map(|images| deployment::deployment(app, images));
    // Both point at the Deployment and would only complain without it.
    let exists = deployment.is_some();
    let run = decided.migration.as_ref();
    Desired {
        service_account: service_account::service_account(app),
        role: role::role(app),
        role_binding: role_binding::role_binding(app),
        config_map: config_map::config_map(app),
        migration_job: run.map(|run| migration_job::migration_job(app, run)),
        credentials_jobs: decided
            .errands
            .iter()
            .filter_map(|run| credentials_job::credentials_job(app, run))
            .collect(),
        network_policy: network_policy::network_policy(app, decided.operator_namespace),
        service: service::service(app),
        deployment,
        hpa: hpa::hpa(app).filter(|_| exists),
        pdb: pdb::pdb(app).filter(|_| exists),
        ingress: ingress::ingress(app),
        http_route: http_route::http_route(app).filter(|_| decided.apis.http_route),
        service_monitor: monitoring::monitor(app, decided.apis),
        prometheus_rule: monitoring::rules(app, decided.apis),
    }
}

impl Desired {
    /// Every object as it is sent, in the order in which it is applied.
    #[must_use]
    pub fn manifests(&self) -> Vec<Value> {
        let Self {
            service_account,
            role,
            role_binding,
            config_map,
            migration_job,
            credentials_jobs,
            network_policy,
            service,
            deployment,
            hpa,
            pdb,
            ingress,
            http_route,
            service_monitor,
            prometheus_rule,
        } = self;
        let first = [
            json(service_account),
            role.as_ref().and_then(json),
            role_binding.as_ref().and_then(json),
            json(config_map),
            network_policy.as_ref().and_then(json),
            migration_job.as_ref().and_then(json),
        ];
        let then = [
            json(service),
            deployment.as_ref().and_then(json),
            hpa.as_ref().and_then(json),
            pdb.as_ref().and_then(json),
            ingress.as_ref().and_then(json),
            http_route.as_ref().and_then(json),
            service_monitor.as_ref().and_then(json),
            prometheus_rule.as_ref().and_then(json),
        ];
        first
            .into_iter()
            .chain(credentials_jobs.iter().map(json))
            .chain(then)
            .flatten()
            .collect()
    }
}

// The types of Kubernetes have string keys and finite numbers, so that this cannot fail.
fn json(object: &impl serde::Serialize) -> Option<Value> {
    serde_json::to_value(object).ok()
}
