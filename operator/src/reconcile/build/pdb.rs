//! The PodDisruptionBudget.
//!
//! Owns how many pods a drain may take. With fewer than two pods there is none, since it could only
//! block the drain for ever.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::reconcile::names::Component;
use crate::reconcile::valid::ValidErpGo;

/// The budget, when there are at least two pods.
#[must_use]
pub fn pdb(app: &ValidErpGo) -> Option<PodDisruptionBudget> {
    let max_unavailable = app.max_unavailable.filter(|_| app.scale.least() >= 2)?;
    Some(PodDisruptionBudget {
        metadata: app.metadata(app.names.base(), Component::Api),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(max_unavailable)),
            selector: Some(app.names.label_selector()),
            // A pod that is not ready protects nobody and must not stop a drain.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".into()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    })
}
