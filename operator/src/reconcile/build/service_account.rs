//! The ServiceAccount of the pods.
//!
//! Owns their identity. No token is mounted by default: the sidecar alone gets one, by a volume.

use k8s_openapi::api::core::v1::ServiceAccount;

use crate::reconcile::names::Component;
use crate::reconcile::valid::ValidErpGo;

/// The pods' identity.
#[must_use]
pub fn service_account(app: &ValidErpGo) -> ServiceAccount {
    ServiceAccount {
        metadata: app.metadata(app.names.base(), Component::Api),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
