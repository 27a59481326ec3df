//! `ErpGoDatabaseDown`: no pod reaches PostgreSQL, or the pods say nothing of it.

use super::{Rule, Scope, Severity};

pub(super) fn rule(scope: &Scope<'_>) -> Rule {
    let reaches = scope.series("erpgo_dependency_up", &["dependency=\"database\""]);
    let up = scope.series("up", &[]);
    Rule {
        alert: "ErpGoDatabaseDown",
        // Where no pod runs, ErpGoDown speaks; the second part is for pods that run and keep silent.
        expr: format!(
            "max by (namespace, erpgo) ({reaches}) == 0 \
             or max by (namespace, erpgo) (absent({reaches})) and on () (max({up}) == 1)"
        ),
        lasts: "1m",
        severity: Severity::Critical,
        summary: format!(
            "ErpGo {}/{} does not reach its database",
            scope.namespace, scope.name
        ),
        description:
            "No pod has had an answer from PostgreSQL for a minute, so every request that \
                      needs it fails and no pod is ready. Check that the server runs, accepts \
                      connections and knows the role; the API recovers by itself."
                .into(),
    }
}
