//! `ErpGoSecretPastItsAge`: a key that is rotated by age was not.
//!
//! The operator says how old each key is, under the namespace and name of the `ErpGo`.

use super::{Rule, Scope, Severity};

/// Days that a key may be late: a rotation that was rolled back is tried again each hour.
const SLACK: i32 = 2;

pub(super) fn rule(scope: &Scope<'_>) -> Rule {
    let keys = scope.scheduled.join("|");
    let age = scope.series("erpgo_secret_age_seconds", &[&format!("key=~\"{keys}\"")]);
    let days = scope.interval_days;
    let most = i64::from(days.saturating_add(SLACK)) * 86_400;
    Rule {
        alert: "ErpGoSecretPastItsAge",
        expr: format!("max by (namespace, erpgo, key) ({age}) > {most}"),
        // Longer than an operator needs for what came due while it was away.
        lasts: "30m",
        severity: Severity::Warning,
        summary: format!(
            "The {{{{ $labels.key }}}} of ErpGo {}/{} is {{{{ $value | humanizeDuration }}}} old",
            scope.namespace, scope.name
        ),
        description: format!(
            "It was due after {days} days (spec.secrets.rotation.intervalDays). Either rotations are \
             paused, or each one is rolled back, or the version before it is still in its grace; \
             status.rotation of the ErpGo says which."
        ),
    }
}
