//! The Role of the pods.
//!
//! Owns their one right: to read the one Secret with the secret set. With Vault or AWS they have none.

use k8s_openapi::api::rbac::v1::{PolicyRule, Role};

use crate::reconcile::names::Component;
use crate::reconcile::valid::{SecretBackend, ValidErpGo};

/// What the sidecar may read of the Kubernetes API.
#[must_use]
pub fn role(app: &ValidErpGo) -> Option<Role> {
    match app.backend {
        SecretBackend::Vault(_) | SecretBackend::Aws(_) => None,
        SecretBackend::Kubernetes => Some(Role {
            metadata: app.metadata(app.names.base(), Component::Secrets),
            rules: Some(vec![PolicyRule {
                api_groups: Some(vec![String::new()]),
                resources: Some(vec!["secrets".into()]),
                resource_names: Some(vec![app.names.secret_set()]),
                verbs: vec!["get".into()],
                ..PolicyRule::default()
            }]),
        }),
    }
}
