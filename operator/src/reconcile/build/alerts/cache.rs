//! `ErpGoLowCacheHitRate`: too few reads are answered by Redis (R7.5).
//!
//! Redis alone. What the memory of the pods answers would hide a Redis in which nothing is found, and it is no sign
//! of trouble how much that is: it holds a session for some seconds, and most come back later than that.

use super::{ENOUGH, Rule, Scope, Severity, share};

const METRIC: &str = "cache_operations_total";

pub(super) fn rule(scope: &Scope<'_>) -> Rule {
    let threshold = scope.thresholds.cache_hit_rate_percent;
    let of_redis = |results| scope.rate(METRIC, &["operation=\"get\"", results]);
    let hits = of_redis("result=\"hit\"");
    let reads = of_redis("result=~\"hit|miss\"");
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
            "Fewer than {threshold}% of the reads of Redis were hits for ten minutes, so the database does the \
             cache's work. Check that Redis is up, does not evict and is not flushed; after a restart of Redis \
             or of all pods wait until it is warm."
        ),
    }
}
