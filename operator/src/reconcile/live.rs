//! Objects that observe has read whole.
//!
//! Owns [`Live`]: what was read a moment ago is held against what is wanted and not read once more. A
//! write that follows is server-side apply of what is wanted, so that a moment's age does no harm; what
//! is computed from the live object itself is read afresh. It performs no request.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;

/// What was there.
#[derive(Debug, Default)]
pub struct Live {
    /// The pods.
    pub deployment: Option<Deployment>,
    /// Scaling by load; read only when it is wanted.
    pub hpa: Option<HorizontalPodAutoscaler>,
}
