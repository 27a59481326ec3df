//! The pieces of which pods are made.
//!
//! Owns what the API's pods and the migration's have in common: ports, names of containers, the
//! sidecar beside them, their volumes and their lack of rights.

pub mod app_container;
mod aws;
pub mod credentials_container;
pub mod migrate_container;
pub mod probes;
pub mod secrets_sidecar;
pub mod security;
pub mod volumes;

use std::collections::BTreeMap;

use erpgo_crds::{PullPolicy, Resources};
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvVar, LocalObjectReference, PodSpec, ResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::reconcile::valid::ValidErpGo;

/// Container of the API.
pub const APP: &str = "app";
/// Container of the migration.
pub const MIGRATE: &str = "migrate";
/// Container that changes the password of a database role or a Redis user.
pub const CREDENTIALS: &str = "credentials";
/// The native sidecar that renders secrets.
pub const SIDECAR: &str = "secrets";

/// A port of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// Name.
    pub name: &'static str,
    /// Number.
    pub number: u16,
}

/// The API.
pub const HTTP: Port = Port {
    name: "http",
    number: 8080,
};
/// The API's metrics.
pub const METRICS: Port = Port {
    name: "metrics",
    number: 9090,
};
/// The sidecar's control port.
pub const CONTROL: Port = Port {
    name: "control",
    number: 8790,
};

impl Port {
    fn of_container(self) -> ContainerPort {
        ContainerPort {
            name: Some(self.name.into()),
            container_port: self.number.into(),
            protocol: Some("TCP".into()),
            ..ContainerPort::default()
        }
    }
}

/// A pod of `main` with the sidecar beside it.
pub(super) fn pod_spec(app: &ValidErpGo, main: Container, sidecar_image: &str) -> PodSpec {
    PodSpec {
        init_containers: Some(vec![secrets_sidecar::container(app, sidecar_image)]),
        volumes: Some(volumes::of_every_pod(app)),
        ..bare_spec(app, main)
    }
}

/// A pod of `main` alone.
pub(super) fn bare_spec(app: &ValidErpGo, main: Container) -> PodSpec {
    let pull_secrets = app
        .pull_secrets
        .iter()
        .map(|name| LocalObjectReference { name: name.clone() });
    let pull_secrets: Vec<_> = pull_secrets.collect();
    PodSpec {
        service_account_name: Some(app.names.base().into()),
        // The app has no business with the Kubernetes API; the sidecar's token is a volume of its own.
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        image_pull_secrets: (!pull_secrets.is_empty()).then_some(pull_secrets),
        security_context: Some(security::of_the_pod()),
        containers: vec![main],
        ..PodSpec::default()
    }
}

fn env(name: &str, value: impl Into<String>) -> EnvVar {
    EnvVar {
        name: name.into(),
        value: Some(value.into()),
        value_from: None,
    }
}

fn requirements(resources: &Resources) -> ResourceRequirements {
    let table = |cpu: Option<&Quantity>, memory: Option<&Quantity>| {
        let entries = [("cpu", cpu), ("memory", memory)];
        let known = entries
            .into_iter()
            .filter_map(|(name, amount)| Some((name.to_owned(), amount?.clone())));
        Some(known.collect::<BTreeMap<_, _>>()).filter(|table| !table.is_empty())
    };
    ResourceRequirements {
        requests: table(
            Some(&resources.cpu_request),
            Some(&resources.memory_request),
        ),
        limits: table(
            resources.cpu_limit.as_ref(),
            resources.memory_limit.as_ref(),
        ),
        ..ResourceRequirements::default()
    }
}

const fn pull_policy(policy: PullPolicy) -> &'static str {
    match policy {
        PullPolicy::IfNotPresent => "IfNotPresent",
        PullPolicy::Always => "Always",
        PullPolicy::Never => "Never",
    }
}
