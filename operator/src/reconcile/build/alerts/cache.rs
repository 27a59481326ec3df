//! `ErpGoLowCacheHitRate`: too few reads are answered by the cache (R7.5).

use super::{ENOUGH, Rule, Scope, Severity, share};

pub(super) fn rule(scope: &Scope<'_>) -> Rule {
    let threshold = scope.thresholds.cache_hit_rate_percent;
    let hits = scope.rate("cache_operations_total", &["result=\"hit\""]);
    let reads = scope.rate("cache_operations_total", &["result=~\"hit|miss\""]);
    Rule {
        alert: "ErpGoLowCacheHitRate",
        // With no hit at all there is no series of hits to divide.
        expr: format!(
            "({hits} or {reads} * 0) / {reads} < {} and {reads} >= {ENOUGH}",
            share(threshold)
        ),
        lasts: "10m",
        severity: Severity::Warning,
        summary: format!(
            "Only {{{{ $value | humanizePercentage }}}} of the cache reads of ErpGo {}/{} hit",
            scope.namespace, scope.name
        ),
        description: format!(
            "Fewer than {threshold}% of cache reads were hits for ten minutes, so the database does \
             the cache's work. Check that Redis is up, does not evict and is not flushed; after a \
             restart of Redis or of all pods wait until it is warm."
        ),
    }
}
