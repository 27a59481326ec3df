//! How long a login lives, and when it needs care.
//!
//! Owns [`Lease`]: pure, so time and chance are arguments. Care is due at two thirds of the TTL, and never
//! sooner than [`MIN_GAP`] after the last; a failed one is retried by the same backoff as a failed read.
//! Vault tokens and AWS credentials live by the same rules.

use std::time::{Duration, Instant};

use erpgo_secret_set::MAX_RETRY_AFTER;

use crate::schedule::{MIN_GAP, Unit, backoff};

/// What a lease needs when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// Renew it.
    Renew,
    /// Log in again: it cannot be renewed, or not for long.
    Replace,
}

/// The life of one token.
#[derive(Debug)]
pub(super) struct Lease {
    // What the login granted; a renewal that gives far less says that the maximum is near.
    granted: Duration,
    // None: lives until it is revoked.
    expires: Option<Instant>,
    due: Option<Instant>,
    care: Care,
    failures: u32,
}

impl Lease {
    /// A token that was granted at `now`; a TTL of zero means for ever.
    pub(super) fn granted(now: Instant, ttl: Duration, renewable: bool, unit: Unit) -> Self {
        let mut lease = Self {
            granted: ttl,
            expires: None,
            due: None,
            care: if renewable {
                Care::Renew
            } else {
                Care::Replace
            },
            failures: 0,
        };
        lease.lives_for(now, ttl, unit);
        lease
    }

    /// The token was renewed at `now` for `ttl`, whatever had been asked for.
    pub(super) fn renewed(&mut self, now: Instant, ttl: Duration, unit: Unit) {
        self.failures = 0;
        if ttl < self.granted / 2 {
            self.care = Care::Replace;
        }
        self.lives_for(now, ttl, unit);
    }

    /// Care failed at `now`.
    pub(super) fn failed(&mut self, now: Instant, retry_after: Option<Duration>, unit: Unit) {
        self.failures = self.failures.saturating_add(1);
        let asked = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
        self.due = Some(now + backoff(self.failures, unit).max(asked));
    }

    /// The backend does not know the token any more, or forbids renewal.
    pub(super) fn refused(&mut self) {
        self.care = Care::Replace;
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn care(&self) -> Care {
        self.care
    }

    pub(super) fn is_alive(&self, now: Instant) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    fn lives_for(&mut self, now: Instant, ttl: Duration, unit: Unit) {
        if ttl.is_zero() {
            (self.expires, self.due) = (None, None);
            return;
        }
        self.expires = Some(now + ttl);
        // Two thirds, give or take a fifteenth: the last quarter is left for retries.
        let wait = unit.between(ttl.mul_f64(0.6), ttl.mul_f64(0.733));
        self.due = Some(now + wait.max(MIN_GAP));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[derive(Clone, Debug)]
    enum Event {
        Renewed(u64),
        Failed(Option<u64>),
        Refused,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0u64..7200).prop_map(Event::Renewed),
            proptest::option::of(0u64..900).prop_map(Event::Failed),
            Just(Event::Refused),
        ]
    }

    proptest! {
        #[test]
        fn care_is_never_given_twice_within_the_least_gap(
            ttl in 0u64..7200,
            events in prop::collection::vec((event(), any::<u64>()), 1..200),
        ) {
            let mut now = Instant::now();
            let mut lease = Lease::granted(now, seconds(ttl), true, Unit::from_bits(ttl << 50));
            for (event, bits) in events {
                let Some(due) = lease.due() else { break };
                prop_assert!(due >= now + MIN_GAP);
                now = due;
                let unit = Unit::from_bits(bits);
                match event {
                    Event::Renewed(ttl) => lease.renewed(now, seconds(ttl), unit),
                    Event::Failed(retry) => lease.failed(now, retry.map(seconds), unit),
                    Event::Refused => {
                        lease.failed(now, None, unit);
                        lease.refused();
                        prop_assert_eq!(lease.care(), Care::Replace);
                    }
                }
            }
        }

        #[test]
        fn care_is_due_while_the_token_is_alive(ttl in 2u64..100_000, bits in any::<u64>()) {
            let now = Instant::now();
            let lease = Lease::granted(now, seconds(ttl), true, Unit::from_bits(bits));
            let due = lease.due().unwrap();
            prop_assert!(lease.is_alive(due));
            prop_assert!(due >= now + seconds(ttl).mul_f64(0.59));
            prop_assert!(due <= now + seconds(ttl).mul_f64(0.74));
        }
    }

    #[test]
    fn a_token_that_cannot_be_renewed_for_long_is_replaced() {
        let now = Instant::now();
        let unit = Unit::from_bits(0);
        let mut lease = Lease::granted(now, seconds(1200), true, unit);
        assert_eq!(lease.care(), Care::Renew);
        lease.renewed(now, seconds(1200), unit);
        assert_eq!(lease.care(), Care::Renew);
        lease.renewed(now, seconds(500), unit);
        assert_eq!(lease.care(), Care::Replace);
        assert_eq!(
            Lease::granted(now, seconds(60), false, unit).care(),
            Care::Replace
        );
    }

    #[test]
    fn tokens_that_were_granted_at_once_are_not_renewed_at_once() {
        let (now, ttl) = (Instant::now(), seconds(3600));
        let granted = |bits| Lease::granted(now, ttl, true, Unit::from_bits(bits));
        let renewed = |bits| {
            let mut lease = granted(0);
            lease.renewed(now, ttl, Unit::from_bits(bits));
            lease
        };
        for [first, last] in [[0, u64::MAX].map(granted), [0, u64::MAX].map(renewed)] {
            let apart = last.due().unwrap() - first.due().unwrap();
            assert!(apart >= ttl / 10, "they are {apart:?} apart");
        }
    }

    #[test]
    fn a_token_without_an_end_needs_no_care() {
        let now = Instant::now();
        let lease = Lease::granted(now, Duration::ZERO, false, Unit::from_bits(0));
        assert_eq!(lease.due(), None);
        assert!(lease.is_alive(now + seconds(1_000_000)));
    }
}
