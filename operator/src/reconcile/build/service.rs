//! The Service in front of the pods.
//!
//! Owns the API's address. Metrics and control ports are not part of it: it may be open to the world.

use erpgo_crds::ServiceType;
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::pod::HTTP;
use crate::reconcile::names::Component;
use crate::reconcile::valid::ValidErpGo;

/// The address of the API.
#[must_use]
pub fn service(app: &ValidErpGo) -> Service {
    let wanted = &app.service;
    Service {
        metadata: app.annotated(Component::Api, &wanted.annotations),
        spec: Some(ServiceSpec {
            type_: Some(type_name(wanted.type_).into()),
            selector: Some(app.names.selector()),
            ports: Some(vec![ServicePort {
                name: Some(HTTP.name.into()),
                app_protocol: Some("http".into()),
                protocol: Some("TCP".into()),
                port: wanted.port,
                target_port: Some(IntOrString::String(HTTP.name.into())),
                node_port: wanted.node_port,
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

const fn type_name(type_: ServiceType) -> &'static str {
    match type_ {
        ServiceType::ClusterIP => "ClusterIP",
        ServiceType::NodePort => "NodePort",
        ServiceType::LoadBalancer => "LoadBalancer",
    }
}
