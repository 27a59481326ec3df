//! The HorizontalPodAutoscaler.
//!
//! Owns scaling by the CPU of the container `app` alone: a sidecar without load would dilute the
//! average of the pod, and one without metrics would blind it.

use k8s_openapi::api::autoscaling::v2::{
    ContainerResourceMetricSource, CrossVersionObjectReference, HPAScalingPolicy, HPAScalingRules,
    HorizontalPodAutoscaler, HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerSpec,
    MetricSpec, MetricTarget,
};

use super::pod::APP;
use crate::reconcile::names::Component;
use crate::reconcile::valid::{Scale, ValidErpGo};

/// The autoscaler, when one is wanted.
#[must_use]
pub fn hpa(app: &ValidErpGo) -> Option<HorizontalPodAutoscaler> {
    let Scale::Auto(wanted) = &app.scale else {
        return None;
    };
    Some(HorizontalPodAutoscaler {
        metadata: app.metadata(app.names.base(), Component::Api),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".into()),
                kind: "Deployment".into(),
                name: app.names.base().into(),
            },
            min_replicas: Some(wanted.min_replicas),
            max_replicas: wanted.max_replicas,
            metrics: Some(vec![cpu_of_the_app(wanted.target_cpu_percent)]),
            behavior: Some(HorizontalPodAutoscalerBehavior {
                scale_down: Some(slowly(wanted.scale_down_stabilization_seconds)),
                scale_up: None,
            }),
        }),
        ..HorizontalPodAutoscaler::default()
    })
}

fn cpu_of_the_app(percent: i32) -> MetricSpec {
    MetricSpec {
        type_: "ContainerResource".into(),
        container_resource: Some(ContainerResourceMetricSource {
            container: APP.into(),
            name: "cpu".into(),
            target: MetricTarget {
                type_: "Utilization".into(),
                average_utilization: Some(percent),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    }
}

// At most half of the pods a minute: what goes away too fast has to come back under load.
fn slowly(stabilization_seconds: i32) -> HPAScalingRules {
    HPAScalingRules {
        stabilization_window_seconds: Some(stabilization_seconds),
        policies: Some(vec![HPAScalingPolicy {
            type_: "Percent".into(),
            value: 50,
            period_seconds: 60,
        }]),
        ..HPAScalingRules::default()
    }
}
