//! How a backend is asked for less than it could be.
//!
//! Owns what operator and sidecar both keep to when a backend refuses: when a login may be tried again
//! ([`Relogin`]), and how long a wish to be left alone counts. Time is an argument.

use std::time::{Duration, Instant};

/// The longest `Retry-After` that is obeyed; a longer one is cut to this.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// The value of a `Retry-After`, uncut. Seconds only: no backend of ours sends the date form, and without
/// it the asker's own rule counts.
#[must_use]
pub fn retry_after(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}

/// Whether a 403 may be answered by a login.
///
/// A missing policy gives the same 403 as an expired token. So the pause between two logins that a
/// refusal causes doubles from 1 min to 32 min until a request succeeds, and a forgotten policy does
/// not fill Vault with tokens.
#[derive(Debug)]
pub struct Relogin {
    least: Duration,
    last: Option<Instant>,
    fruitless: u32,
}

impl Relogin {
    const FLOOR: Duration = Duration::from_secs(30);

    /// No login yet; two of them are never closer than `least`.
    #[must_use]
    pub const fn new(least: Duration) -> Self {
        Self {
            least,
            last: None,
            fruitless: 0,
        }
    }

    /// There was a login at `now`.
    pub fn logged_in(&mut self, now: Instant) {
        self.last = Some(now);
        self.fruitless = self.fruitless.saturating_add(1);
    }

    /// What the login is for has succeeded.
    pub fn succeeded(&mut self) {
        self.fruitless = 0;
    }

    /// Whether a refusal at `now` may be answered by a login.
    #[must_use]
    pub fn is_allowed(&self, now: Instant) -> bool {
        // After a success the token was good, so one login is free.
        let pause = if self.fruitless == 0 {
            self.least
        } else {
            Self::FLOOR * (1 << self.fruitless.min(6))
        };
        self.last
            .is_none_or(|last| now.saturating_duration_since(last) >= pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEAST: Duration = Duration::from_millis(500);

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    proptest! {
        #[test]
        fn a_policy_that_forbids_reading_costs_few_logins(gaps in prop::collection::vec(1u64..120, 1..500)) {
            let start = Instant::now();
            let mut now = start;
            let mut relogin = Relogin::new(LEAST);
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
    fn a_403_after_good_reads_is_answered_by_a_login_at_once() {
        let now = Instant::now();
        let mut relogin = Relogin::new(LEAST);
        assert!(relogin.is_allowed(now));
        relogin.logged_in(now);
        assert!(!relogin.is_allowed(now + seconds(29)));
        relogin.succeeded();
        assert!(relogin.is_allowed(now + seconds(1)));
        assert!(!relogin.is_allowed(now), "sooner than the least");
    }

    #[test]
    fn a_wish_to_be_left_alone_is_read_in_seconds_and_nothing_else() {
        assert_eq!(retry_after("7"), Some(seconds(7)));
        assert_eq!(retry_after(" 3600 "), Some(seconds(3600)));
        assert_eq!(retry_after("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(retry_after("-1"), None);
    }
}
