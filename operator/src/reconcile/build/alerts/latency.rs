//! `ErpGoHighLatency`: the 99th percentile of all requests (R11.3).

use super::{ENOUGH, NOT_A_PROBE, Rule, Scope, Severity};

/// A quantile never exceeds the API's largest bucket of 10 s, so a threshold beyond it would be met by
/// nothing.
const LARGEST_THRESHOLD: f64 = 9.99;

pub(super) fn rule(scope: &Scope<'_>) -> Rule {
    let threshold = f64::from(scope.thresholds.latency_p99_milliseconds) / 1000.0;
    let threshold = threshold.min(LARGEST_THRESHOLD);
    let buckets = scope.series("http_request_duration_seconds_bucket", &[NOT_A_PROBE]);
    let all = scope.rate("http_request_duration_seconds_count", &[NOT_A_PROBE]);
    Rule {
        alert: "ErpGoHighLatency",
        expr: format!(
            "histogram_quantile(0.99, sum by (le, namespace, erpgo) (rate({buckets}[5m]))) \
             > {threshold} and {all} >= {ENOUGH}"
        ),
        lasts: "5m",
        severity: Severity::Critical,
        summary: format!(
            "One in a hundred requests to ErpGo {}/{} takes {{{{ $value | humanizeDuration }}}} or more",
            scope.namespace, scope.name
        ),
        description: format!(
            "The 99th percentile of latency was above {threshold} s for five minutes. Look at slow \
             queries, the wait for database connections and CPU throttling; more pods help only \
             when CPU is short."
        ),
    }
}
