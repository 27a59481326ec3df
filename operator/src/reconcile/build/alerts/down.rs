//! `ErpGoDown`: Prometheus reaches no pod.

use super::{Rule, Scope, Severity};

pub(super) fn rule(scope: &Scope<'_>) -> Rule {
    let up = scope.series("up", &[]);
    Rule {
        alert: "ErpGoDown",
        expr: format!("max by (namespace, erpgo) ({up}) == 0 or absent({up})"),
        // Longer than a first installation takes to migrate an empty database and start.
        lasts: "3m",
        severity: Severity::Critical,
        summary: format!("ErpGo {}/{} is down", scope.namespace, scope.name),
        description: "No pod has answered Prometheus for three minutes: none runs, none becomes \
                      ready, or Prometheus cannot reach them. The conditions of the ErpGo say why \
                      pods do not run."
            .into(),
    }
}
