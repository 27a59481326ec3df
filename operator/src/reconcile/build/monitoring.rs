//! The monitoring objects as they are applied.
//!
//! Owns their metadata and the choice of whether they are made; what they say is decided in
//! [`super::service_monitor`] and [`super::prometheus_rule`].

use kube::api::{DynamicObject, ObjectMeta};

use super::alerts::Scope;
use super::{dynamic, prometheus_rule, service_monitor};
use crate::reconcile::names::Component;
use crate::reconcile::observed::ApiPresence;
use crate::reconcile::rotation::scheduled;
use crate::reconcile::valid::ValidErpGo;

/// Scraping, where it is wanted and the cluster knows of it.
#[must_use]
pub fn monitor(app: &ValidErpGo, apis: ApiPresence) -> Option<DynamicObject> {
    (app.monitoring.enabled && apis.service_monitor).then(|| {
        let spec = service_monitor::spec(&app.names.selector(), app.monitoring.interval_seconds);
        dynamic::object(dynamic::SERVICE_MONITOR, metadata(app), spec)
    })
}

/// Alerts, where they are wanted and the cluster knows of them.
#[must_use]
pub fn rules(app: &ValidErpGo, apis: ApiPresence) -> Option<DynamicObject> {
    let monitoring = &app.monitoring;
    (monitoring.enabled && monitoring.alerts.enabled && apis.prometheus_rule).then(|| {
        let scheduled: Vec<_> = scheduled(app).iter().map(|key| key.as_str()).collect();
        let spec = prometheus_rule::spec(&Scope {
            namespace: app.names.namespace(),
            name: app.names.base(),
            max_connections: app.pool.max_connections,
            serves: app.scale.least() > 0,
            scheduled: &scheduled,
            interval_days: app.rotation.interval_days,
            thresholds: &monitoring.alerts,
        });
        dynamic::object(dynamic::PROMETHEUS_RULE, metadata(app), spec)
    })
}

// The user's labels are for a Prometheus that selects by them; ours cannot be among them.
fn metadata(app: &ValidErpGo) -> ObjectMeta {
    let mut metadata = app.metadata(app.names.base(), Component::Monitoring);
    let labels = metadata.labels.get_or_insert_default();
    labels.extend(app.monitoring.labels.clone());
    metadata
}
