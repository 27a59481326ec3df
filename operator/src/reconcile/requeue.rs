//! When an `ErpGo` is looked at again if nothing wakes it.
//!
//! Owns [`Requeue`] and how soon what is waited on is worth another look. Watches tell of everything but
//! Secrets and backends, so that this is a net below them. What lasts until a person mends it, while pods
//! serve, must not have the backend read every few seconds for as long as it lasts. Pure.

use std::time::Duration;

use super::observed::Observed;
use super::phase::{Phase, Waiting};
use super::reason;

/// When to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requeue {
    /// A watch will tell.
    AwaitChange,
    /// After this time, with jitter.
    After(Duration),
}

impl Requeue {
    /// Or after `again`, if that is sooner.
    pub(super) fn or_sooner(self, again: Option<Duration>) -> Self {
        match (self, again) {
            (requeue, None) => requeue,
            (Self::After(after), Some(again)) => Self::After(after.min(again)),
            // What is further away than a look at rest is looked at then.
            (Self::AwaitChange, Some(again)) if again > super::AT_REST => Self::AwaitChange,
            (Self::AwaitChange, Some(again)) => Self::After(again),
        }
    }

    const fn seconds(count: u64) -> Self {
        Self::After(Duration::from_secs(count))
    }
}

/// When to look again at what waits for `waiting`; `after` is when something is to be tried again.
pub(super) fn requeue(
    phase: Phase,
    waiting: Option<&Waiting>,
    after: Option<Duration>,
    seen: &Observed,
) -> Requeue {
    if let Some(after) = after {
        // Sooner than the next attempt: what the last one failed for may be mended before.
        return Requeue::After(after.min(Duration::from_secs(10)));
    }
    let unacknowledged = seen.acks.is_some_and(|acks| acks.acknowledged < acks.total);
    // The autoscaler is watched.
    let waiting = waiting.filter(|waiting| waiting.reason != reason::AUTOSCALER_BLIND);
    match (phase, waiting) {
        (Phase::Prepare, _) => Requeue::seconds(5),
        // Such a pod acknowledges nothing either, and a rotation under way looks for itself.
        (_, Some(waiting)) if waiting.reason == reason::SECRETS_STALE => Requeue::seconds(60),
        (_, Some(waiting)) if waiting.fault => Requeue::seconds(10),
        (_, Some(_)) => Requeue::seconds(15),
        (_, None) if unacknowledged => Requeue::seconds(5),
        (_, None) => Requeue::AwaitChange,
    }
}
