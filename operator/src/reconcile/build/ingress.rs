//! The Ingress.
//!
//! Owns the way in by a host name; it refers to nothing outside its namespace (I-09).

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule,
    IngressServiceBackend, IngressSpec, IngressTLS, ServiceBackendPort,
};

use super::pod::HTTP;
use crate::reconcile::names::Component;
use crate::reconcile::valid::{Exposure, ValidErpGo};

/// The Ingress, when one is wanted.
#[must_use]
pub fn ingress(app: &ValidErpGo) -> Option<Ingress> {
    let Exposure::Ingress(wanted) = &app.exposure else {
        return None;
    };
    Some(Ingress {
        metadata: app.annotated(Component::Api, &wanted.annotations),
        spec: Some(IngressSpec {
            ingress_class_name: wanted.class_name.clone(),
            rules: Some(vec![everything_under(&wanted.host, app)]),
            tls: wanted.tls_secret_name.as_ref().map(|secret| {
                vec![IngressTLS {
                    hosts: Some(vec![wanted.host.clone()]),
                    secret_name: Some(secret.clone()),
                }]
            }),
            ..IngressSpec::default()
        }),
        ..Ingress::default()
    })
}

fn everything_under(host: &str, app: &ValidErpGo) -> IngressRule {
    IngressRule {
        host: Some(host.into()),
        http: Some(HTTPIngressRuleValue {
            paths: vec![HTTPIngressPath {
                path: Some("/".into()),
                path_type: "Prefix".into(),
                backend: IngressBackend {
                    service: Some(IngressServiceBackend {
                        name: app.names.base().into(),
                        port: Some(ServiceBackendPort {
                            name: Some(HTTP.name.into()),
                            number: None,
                        }),
                    }),
                    resource: None,
                },
            }],
        }),
    }
}
