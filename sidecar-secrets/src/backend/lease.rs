//! How long a login lives, and when it needs care.
//!
//! Owns [`Lease`] and [`Relogin`]: pure, so time and chance are arguments. Care is due at two
//! thirds of the TTL, and never sooner than [`MIN_GAP`] after the last; a failed one is retried by
//! the same backoff as a failed read. Vault tokens and AWS credentials live by the same rules.

use std::time::{Duration, Instant};

use crate::schedule::{MAX_RETRY_AFTER, MIN_GAP, Unit, backoff};

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

/// Whether a 403 may be answered by a login.
///
/// A missing policy gives the same 403 as an expired token. So the pause between two logins that a
/// refusal causes doubles from 1 min to 32 min until a read succeeds, and a forgotten policy does
/// not fill Vault with tokens.
#[derive(Debug, Default)]
pub(super) struct Relogin {
    last: Option<Instant>,
    fruitless: u32,
}

impl Relogin {
    const FLOOR: Duration = Duration::from_secs(30);

    pub(super) fn logged_in(&mut self, now: Instant) {
        self.last = Some(now);
        self.fruitless = self.fruitless.saturating_add(1);
    }

    pub(super) fn read_succeeded(&mut self) {
        self.fruitless = 0;
    }

    pub(super) fn is_allowed(&self, now: Instant) -> bool {
        let pause = Self::FLOOR * (1 << self.fruitless.min(6));
        // After a read that succeeded the token was good, so one login is free.
        let pause = if self.fruitless == 0 { MIN_GAP } else { pause };
        self.last
            .is_none_or(|last| now.saturating_duration_since(last) >= pause)
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

        #[test]
        fn a_policy_that_forbids_reading_costs_few_logins(gaps in prop::collection::vec(1u64..120, 1..500)) {
            let start = Instant::now();
            let mut now = start;
            let mut relogin = Relogin::default();
            let mut logins = 0u32;
            for gap in gaps {
                now += seconds(gap);
                if now > start + seconds(3600) { break; }
                if relogin.is_allowed(now) {
                    relogin.logged_in(now);
                    logins += 1;
                }
            }
            prop_assert!(logins <= 7, "{} logins in an hour", logins);
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

    #[test]
    fn a_403_after_good_reads_is_answered_by_a_login_at_once() {
        let now = Instant::now();
        let mut relogin = Relogin::default();
        assert!(relogin.is_allowed(now));
        relogin.logged_in(now);
        assert!(!relogin.is_allowed(now + seconds(29)));
        relogin.read_succeeded();
        assert!(relogin.is_allowed(now + seconds(1)));
    }
}
