//! Why a reconcile failed.
//!
//! Owns [`ReconcileError`]: one variant per step, each with a fixed label for the metric and a class
//! for the next attempt. Waiting is not among them.

use super::backoff::Retry;
use crate::secrets::SecretsError;

/// A failure of one step.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// Reading failed.
    #[error("reading {what} failed")]
    Observe {
        /// What was read.
        what: &'static str,
        /// The failure.
        #[source]
        source: kube::Error,
    },
    /// A Secret of the user could not be read.
    #[error("reading {what} failed")]
    ObserveSecret {
        /// What was read.
        what: &'static str,
        /// The failure.
        #[source]
        source: SecretsError,
    },
    /// A write failed.
    #[error("writing {kind} {name} failed")]
    Apply {
        /// Kind of the object.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The failure.
        #[source]
        source: kube::Error,
    },
    /// An object of that name belongs to somebody else.
    #[error("{kind} {name} exists and is not managed by this ErpGo: rename or delete it")]
    Foreign {
        /// Kind of the object.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// An object cannot be written as JSON.
    #[error("{kind} cannot be written as JSON")]
    Encode {
        /// Kind of the object.
        kind: &'static str,
        /// The failure.
        #[source]
        source: serde_json::Error,
    },
    /// A secret could not be made.
    #[error("{what} could not be made")]
    Effect {
        /// What was to be made.
        what: &'static str,
        /// The failure.
        #[source]
        source: SecretsError,
    },
    /// A delete failed.
    #[error("deleting {kind} {name} failed")]
    Prune {
        /// Kind of the object.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The failure.
        #[source]
        source: kube::Error,
    },
    /// The status could not be written.
    #[error("writing the status failed")]
    Publish(#[source] kube::Error),
    /// The finalizer could not be changed.
    #[error("changing the finalizer failed")]
    Finalize(#[source] kube::Error),
    /// It took too long.
    #[error("the reconcile took longer than its limit")]
    Overtime,
    /// It panicked.
    #[error("the reconcile panicked")]
    Panicked,
}

/// How the API server failed a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Quota,
    Forbidden,
    Conflict,
    Invalid,
    Other,
}

impl Answer {
    fn of(error: &kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            return Self::Other;
        };
        match status.code {
            403 if status.message.contains("exceeded quota") => Self::Quota,
            403 => Self::Forbidden,
            409 => Self::Conflict,
            400 | 422 => Self::Invalid,
            _ => Self::Other,
        }
    }
}

impl ReconcileError {
    fn kube(&self) -> Option<&kube::Error> {
        match self {
            Self::Observe { source, .. }
            | Self::Apply { source, .. }
            | Self::Prune { source, .. }
            | Self::Publish(source)
            | Self::Finalize(source) => Some(source),
            Self::ObserveSecret { source, .. } | Self::Effect { source, .. } => match source {
                SecretsError::Kubernetes { source, .. } => Some(source),
                _ => None,
            },
            Self::Foreign { .. } | Self::Encode { .. } | Self::Overtime | Self::Panicked => None,
        }
    }

    /// The label of the metric.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self.kube().map(Answer::of) {
            Some(Answer::Quota) => return "quota",
            Some(Answer::Forbidden) => return "forbidden",
            Some(Answer::Conflict) => return "conflict",
            Some(Answer::Invalid) => return "invalid",
            Some(Answer::Other) | None => {}
        }
        match self {
            Self::Observe { .. } | Self::ObserveSecret { .. } => "observe",
            Self::Apply { .. } => "apply",
            Self::Foreign { .. } => "foreign",
            Self::Encode { .. } => "encode",
            Self::Effect { source, .. } => source.class(),
            Self::Prune { .. } => "prune",
            Self::Publish(_) => "publish",
            Self::Finalize(_) => "finalize",
            Self::Overtime => "overtime",
            Self::Panicked => "panicked",
        }
    }

    /// How the next attempt is timed.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self.kube().map(Answer::of) {
            Some(Answer::Conflict) => Retry::Soon,
            Some(Answer::Forbidden | Answer::Invalid) => Retry::Slow,
            Some(Answer::Quota | Answer::Other) | None => Retry::Backoff,
        }
    }

    /// What to show a person when the API server refused a write for a reason that lies with the
    /// cluster or the spec. Conflicts and outages pass by themselves and are not shown.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        if let Self::Foreign { .. } = self {
            return Some(self.to_string());
        }
        let (Self::Apply { source, .. }
        | Self::Prune { source, .. }
        | Self::Effect {
            source: SecretsError::Kubernetes { source, .. },
            ..
        }) = self
        else {
            return None;
        };
        let kube::Error::Api(status) = source else {
            return None;
        };
        match Answer::of(source) {
            Answer::Conflict | Answer::Other => None,
            Answer::Quota | Answer::Forbidden | Answer::Invalid => Some(status.message.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn apply(code: u16, message: &str) -> ReconcileError {
        let status = Status::failure(message, "Reason").with_code(code);
        ReconcileError::Apply {
            kind: "Deployment",
            name: "shop".into(),
            source: kube::Error::Api(status.boxed()),
        }
    }

    #[test]
    fn quota_permission_conflict_and_outage_are_told_apart() {
        let quota = apply(403, "services \"shop\" is forbidden: exceeded quota: small");
        assert_eq!((quota.label(), quota.retry()), ("quota", Retry::Backoff));
        assert!(quota.refusal().unwrap().contains("exceeded quota: small"));
        let forbidden = apply(403, "User \"x\" cannot patch");
        assert_eq!(
            (forbidden.label(), forbidden.retry()),
            ("forbidden", Retry::Slow)
        );
        assert!(forbidden.refusal().is_some());
        let conflict = apply(409, "the object has been modified");
        assert_eq!(
            (conflict.label(), conflict.retry()),
            ("conflict", Retry::Soon)
        );
        assert_eq!(conflict.refusal(), None);
        let outage = apply(503, "not now");
        assert_eq!((outage.label(), outage.retry()), ("apply", Retry::Backoff));
        assert_eq!(outage.refusal(), None);
    }
}
