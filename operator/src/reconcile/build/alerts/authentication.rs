//! `ErpGoHighAuthFailureRate`: the share of sign-ins that are refused.

use super::{ENOUGH, Rule, Scope, Severity, share};

/// Refused for what was typed, for a lock or for a limit; what failed on our side is no refusal.
const REFUSED: &str = "result=~\"failure|locked|rate_limited\"";

pub(super) fn rule(scope: &Scope<'_>) -> Rule {
    let threshold = scope.thresholds.auth_failure_rate_percent;
    let refused = scope.rate("auth_attempts_total", &[REFUSED]);
    let all = scope.rate("auth_attempts_total", &[]);
    Rule {
        alert: "ErpGoHighAuthFailureRate",
        expr: format!(
            "{refused} / {all} > {} and {all} >= {ENOUGH}",
            share(threshold)
        ),
        lasts: "5m",
        severity: Severity::Warning,
        summary: format!(
            "{{{{ $value | humanizePercentage }}}} of the sign-ins to ErpGo {}/{} are refused",
            scope.namespace, scope.name
        ),
        description: format!(
            "More than {threshold}% of all sign-ins were refused for five minutes: somebody guesses \
             passwords, or a client has the wrong one. The log names address and identifier of each \
             refusal; block the address in front of the API, or mend the client."
        ),
    }
}
