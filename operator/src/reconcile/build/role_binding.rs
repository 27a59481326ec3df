//! The RoleBinding of the pods.
//!
//! Owns the link between [`super::service_account`] and [`super::role`].

use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};

use crate::reconcile::names::Component;
use crate::reconcile::valid::{SecretBackend, ValidErpGo};

/// Gives the ServiceAccount its Role, when there is one.
#[must_use]
pub fn role_binding(app: &ValidErpGo) -> Option<RoleBinding> {
    match app.backend {
        SecretBackend::Vault(_) | SecretBackend::Aws(_) => None,
        SecretBackend::Kubernetes => Some(RoleBinding {
            metadata: app.metadata(app.names.base(), Component::Secrets),
            role_ref: RoleRef {
                api_group: "rbac.authorization.k8s.io".into(),
                kind: "Role".into(),
                name: app.names.base().into(),
            },
            subjects: Some(vec![Subject {
                kind: "ServiceAccount".into(),
                name: app.names.base().into(),
                namespace: Some(app.names.namespace().into()),
                ..Subject::default()
            }]),
        }),
    }
}
