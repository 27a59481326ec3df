//! One alerting rule as the prometheus-operator's CRD has it.
//!
//! Owns [`Rule`] and [`Severity`]. Labels and annotations that all alerts share are added here, so
//! that none can lack its runbook (R11.5).

use serde_json::{Value, json};

use super::Scope;

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Somebody is woken.
    Critical,
    /// Somebody looks at it in working hours.
    Warning,
}

impl Severity {
    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
        }
    }
}

/// One alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, and the name of its runbook.
    pub alert: &'static str,
    /// The expression.
    pub expr: String,
    /// How long the expression holds before it fires.
    pub lasts: &'static str,
    /// Who is told.
    pub severity: Severity,
    /// One line: what is wrong.
    pub summary: String,
    /// What that means and the way out.
    pub description: String,
}

impl Rule {
    /// The rule as it stands in a group of rules.
    #[must_use]
    pub fn to_value(&self, scope: &Scope<'_>) -> Value {
        let base = scope.thresholds.runbook_base_url.trim_end_matches('/');
        json!({
            "alert": self.alert,
            "expr": self.expr,
            "for": self.lasts,
            "labels": {
                "severity": self.severity.as_str(),
                "namespace": scope.namespace,
                "erpgo": scope.name,
            },
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": format!("{base}/{}", self.alert),
            },
        })
    }
}
