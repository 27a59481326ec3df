//! `ErpGoConnectionPoolNearExhaustion`: a pod uses most of the connections it may hold (R11.4).

use super::{Rule, Scope, Severity, share};

pub(super) fn rule(scope: &Scope<'_>) -> Rule {
    let threshold = scope.thresholds.pool_usage_percent;
    let in_use = scope.series("db_connection_pool_in_use", &[]);
    // `db_connection_pool_size` counts open connections: one of one in use is no shortage. What may
    // be opened stands in the spec.
    let most = scope.max_connections;
    Rule {
        alert: "ErpGoConnectionPoolNearExhaustion",
        expr: format!(
            "max by (namespace, erpgo, pod) ({in_use}) / {most} > {}",
            share(threshold)
        ),
        lasts: "5m",
        severity: Severity::Warning,
        summary: format!(
            "Pod {{{{ $labels.pod }}}} of ErpGo {}/{} uses {{{{ $value | humanizePercentage }}}} of \
             its database connections",
            scope.namespace, scope.name
        ),
        description: format!(
            "More than {threshold}% of the {most} connections of one pod were in use for five \
             minutes; at 100% requests wait and then fail. Look for slow queries and long \
             transactions first, then raise spec.database.pool.maxConnections or the number of \
             pods, within the server's max_connections."
        ),
    }
}
