//! Names and states of conditions.
//!
//! Owns [`ConditionType`] and [`ConditionState`]: the closed lists that the operator writes.

use std::fmt;

/// Every condition that an ErpGo can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// The wanted version serves with all its pods.
    Ready,
    /// A change is on its way.
    Progressing,
    /// Something needs a person.
    Degraded,
    /// The wanted image's migrations have succeeded.
    MigrationsApplied,
    /// The secret set is there and valid.
    SecretsReady,
    /// Secrets are being rotated.
    RotationInProgress,
    /// Monitoring objects are in place.
    MonitoringReady,
    /// The operator does not write.
    Paused,
}

impl ConditionType {
    /// Every type, in the order in which they are listed in the status.
    pub const ALL: [Self; 8] = [
        Self::Ready,
        Self::Progressing,
        Self::Degraded,
        Self::MigrationsApplied,
        Self::SecretsReady,
        Self::RotationInProgress,
        Self::MonitoringReady,
        Self::Paused,
    ];

    /// The type as written in the status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Progressing => "Progressing",
            Self::Degraded => "Degraded",
            Self::MigrationsApplied => "MigrationsApplied",
            Self::SecretsReady => "SecretsReady",
            Self::RotationInProgress => "RotationInProgress",
            Self::MonitoringReady => "MonitoringReady",
            Self::Paused => "Paused",
        }
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionState {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It cannot be told.
    Unknown,
}

impl ConditionState {
    /// The state as written in the status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}
