//! What comes of sign-ins, as it is counted.
//!
//! Owns [`Tried`]: its words are the label's values that alerts and dashboards ask for.

use crate::metrics::METRICS;

/// What a try comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tried {
    /// Signed in.
    Success,
    /// The password is right, and the second factor is yet to come.
    Challenged,
    /// The password or the code is wrong.
    Failure,
    /// Refused whatever was typed, since sign-in is locked.
    Locked,
    /// Refused before anything was looked at: there were too many.
    RateLimited,
    /// Nothing was found out.
    Error,
}

impl Tried {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Challenged => "challenged",
            Self::Failure => "failure",
            Self::Locked => "locked",
            Self::RateLimited => "rate_limited",
            Self::Error => "error",
        }
    }

    pub(super) fn count(self) {
        let labels = [self.as_str()];
        METRICS.auth_attempts.with_label_values(&labels).inc();
    }
}
