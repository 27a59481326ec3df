//! Rules for the ways in.
//!
//! Owns the choice of [`Exposure`] and the checks of Service, Ingress and HTTPRoute.

use erpgo_crds::{ErpGoSpec, HttpRoute, Ingress, ServiceType};

use super::faults::Faults;
use super::syntax;
use crate::reconcile::valid::Exposure;

pub(super) fn exposure(spec: &ErpGoSpec, faults: &mut Faults) -> Option<Exposure> {
    match (&spec.ingress, &spec.http_route) {
        (None, None) => Some(Exposure::ServiceOnly),
        (Some(ingress), None) => Some(Exposure::Ingress(ingress.clone())),
        (None, Some(route)) => Some(Exposure::HttpRoute(route.clone())),
        (Some(_), Some(_)) => {
            faults.add(
                "spec.ingress",
                "excludes spec.httpRoute: keep the one that your cluster serves",
            );
            None
        }
    }
}

pub(super) fn check(spec: &ErpGoSpec, faults: &mut Faults) {
    let service = &spec.service;
    faults.range("spec.service.port", service.port, 1, 65_535);
    syntax::annotations("spec.service.annotations", &service.annotations, faults);
    if let Some(port) = service.node_port {
        faults.range("spec.service.nodePort", port, 30_000, 32_767);
        faults.unless(
            service.type_ != ServiceType::ClusterIP,
            "spec.service.nodePort",
            "needs spec.service.type NodePort or LoadBalancer: set it, or remove nodePort",
        );
    }
    if let Some(ingress) = &spec.ingress {
        check_ingress(ingress, faults);
    }
    if let Some(route) = &spec.http_route {
        check_route(route, faults);
    }
}

fn check_ingress(ingress: &Ingress, faults: &mut Faults) {
    syntax::host("spec.ingress.host", &ingress.host, faults);
    syntax::annotations("spec.ingress.annotations", &ingress.annotations, faults);
    if let Some(class) = &ingress.class_name {
        syntax::object_name("spec.ingress.className", class, faults);
    }
    if let Some(secret) = &ingress.tls_secret_name {
        syntax::object_name("spec.ingress.tlsSecretName", secret, faults);
    }
}

fn check_route(route: &HttpRoute, faults: &mut Faults) {
    faults.unless(
        !route.parent_refs.is_empty(),
        "spec.httpRoute.parentRefs",
        "is empty: name at least one Gateway of this namespace",
    );
    for (index, parent) in route.parent_refs.iter().enumerate() {
        let field = format!("spec.httpRoute.parentRefs[{index}]");
        syntax::object_name(&format!("{field}.name"), &parent.name, faults);
        if let Some(section) = &parent.section_name {
            syntax::object_name(&format!("{field}.sectionName"), section, faults);
        }
    }
    for (index, host) in route.hostnames.iter().enumerate() {
        syntax::host(&format!("spec.httpRoute.hostnames[{index}]"), host, faults);
    }
}
