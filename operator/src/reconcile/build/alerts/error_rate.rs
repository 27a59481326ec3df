//! `ErpGoHighErrorRate`: the share of requests that end with 5xx (R11.2).

use super::{ENOUGH, NOT_A_PROBE, Rule, Scope, Severity, share};

pub(super) fn rule(scope: &Scope<'_>) -> Rule {
    let threshold = scope.thresholds.error_rate_percent;
    let failed = scope.rate("http_requests_total", &[NOT_A_PROBE, "status=~\"5..\""]);
    let all = scope.rate("http_requests_total", &[NOT_A_PROBE]);
    Rule {
        alert: "ErpGoHighErrorRate",
        expr: format!(
            "{failed} / {all} > {} and {all} >= {ENOUGH}",
            share(threshold)
        ),
        lasts: "2m",
        severity: Severity::Critical,
        summary: format!(
            "{{{{ $value | humanizePercentage }}}} of the requests to ErpGo {}/{} fail",
            scope.namespace, scope.name
        ),
        description: format!(
            "More than {threshold}% of all requests were answered with 5xx for two minutes. \
             See which routes fail and what the log says of them; after a rollout, set spec.image \
             back. Other alerts of this ErpGo usually name the cause."
        ),
    }
}
