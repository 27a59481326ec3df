//! `ErpGoLowCacheHitRate`: too few reads are answered by a cache (R7.5).
//!
//! Each cache by itself: the memory of the pods answers so much that a Redis in which nothing is found would not
//! show in the sum.

use super::{ENOUGH, Rule, Scope, Severity, share};

const METRIC: &str = "cache_operations_total";

pub(super) fn rule(scope: &Scope<'_>) -> Rule {
    let threshold = scope.thresholds.cache_hit_rate_percent;
    let of_each = |results| scope.rate_by("operation", METRIC, &[results]);
    let hits = of_each("result=\"hit\"");
    let reads = of_each("result=~\"hit|miss\"");
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
            "Only {{{{ $value | humanizePercentage }}}} of the cache reads ({{{{ $labels.operation }}}}) of \
             ErpGo {}/{} hit",
            scope.namespace, scope.name
        ),
        description: format!(
            "Fewer than {threshold}% of the reads of one cache (session: the memory of the pods, get: Redis) \
             were hits for ten minutes, so the database does the cache's work. Check that Redis is up, does \
             not evict and is not flushed; after a restart of Redis or of all pods wait until it is warm."
        ),
    }
}
