//! How the kubelet asks after a container.
//!
//! Owns every probe. Liveness never looks at a dependency: a database that is away must not restart
//! the pods that wait for it.

use k8s_openapi::api::core::v1::{HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Port;

/// Begun: asked every second, so that a start is noticed at once, for at most `patience` seconds.
pub(super) fn startup(path: &str, port: Port, patience: i32) -> Probe {
    Probe {
        period_seconds: Some(1),
        failure_threshold: Some(patience),
        ..get(path, port)
    }
}

/// Able to take requests: out after two misses of five seconds.
pub(super) fn readiness(path: &str, port: Port) -> Probe {
    Probe {
        period_seconds: Some(5),
        failure_threshold: Some(2),
        ..get(path, port)
    }
}

/// Alive: restarted after half a minute without an answer.
pub(super) fn liveness(path: &str, port: Port) -> Probe {
    Probe {
        period_seconds: Some(10),
        failure_threshold: Some(3),
        ..get(path, port)
    }
}

fn get(path: &str, port: Port) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::String(port.name.into()),
            scheme: Some("HTTP".into()),
            ..HTTPGetAction::default()
        }),
        timeout_seconds: Some(2),
        ..Probe::default()
    }
}
