//! `ErpGoRotationStuck`: a rotation of secrets does not come forward by itself.
//!
//! The operator says how far it is and whether it waits for a person, under the namespace and name of
//! the `ErpGo`.

use super::{Rule, Scope, Severity};

pub(super) fn rule(scope: &Scope<'_>) -> Rule {
    let step = scope.series("erpgo_rotation_step", &[]);
    let fault = scope.series("erpgo_rotation_fault", &[]);
    Rule {
        alert: "ErpGoRotationStuck",
        expr: format!(
            "max by (namespace, erpgo) ({step}) > 0 or max by (namespace, erpgo) ({fault}) > 0"
        ),
        // Ten minutes for the Jobs of new passwords and five for the pods are rolled back by themselves.
        lasts: "20m",
        severity: Severity::Warning,
        summary: format!(
            "A rotation of secrets of ErpGo {}/{} does not come forward",
            scope.namespace, scope.name
        ),
        description: "For twenty minutes a pod has not taken up a new version, has not refused one \
                      that was removed, or a Job could not take the old password of a database role \
                      or a Redis user away. Nothing is removed meanwhile and requests are served; the condition \
                      RotationInProgress names who is missing."
            .into(),
    }
}
