//! The generic cell rate algorithm: a bucket as one number.
//!
//! Owns the arithmetic, in microseconds, for one process's own count; the script in [`super::shared`] does
//! the same in Redis, and a test holds the two against each other. What is kept is the time at which
//! the whole quota is there again; a unit taken moves it on by one share of the window.

use std::time::Duration;

/// How much may be had in a window; all of it at once, if nothing was had before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    /// Requests in the window.
    pub requests: u32,
    /// The window.
    pub window: Duration,
}

/// What became of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Units that were had; none when nothing was left.
    pub granted: u32,
    /// Units that are left.
    pub left: u32,
    /// Until the whole quota is there again.
    pub full_in: Duration,
}

impl Quota {
    /// Microseconds in which one unit comes back.
    pub(super) fn share(self) -> u64 {
        (micros(self.window) / u64::from(self.requests.max(1))).max(1)
    }

    /// Until one unit is there, if none is left now.
    #[must_use]
    pub fn wait(self, taken: Taken) -> Duration {
        let tolerance = self.share() * u64::from(self.requests);
        let at = (micros(taken.full_in) + self.share()).saturating_sub(tolerance);
        Duration::from_micros(at)
    }

    /// Takes up to `wanted` units at `now`, given the time at which all would be there.
    #[must_use]
    pub fn take(self, full_at: u64, now: u64, wanted: u32) -> (u64, Taken) {
        let share = self.share();
        let full_at = full_at.max(now);
        let end = now + share * u64::from(self.requests);
        let available = u32::try_from(end.saturating_sub(full_at) / share).unwrap_or(u32::MAX);
        let granted = wanted.min(available);
        let full_at = full_at + share * u64::from(granted);
        let taken = Taken {
            granted,
            left: available - granted,
            full_in: Duration::from_micros(full_at - now),
        };
        (full_at, taken)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_secs(60);

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn r05_the_whole_quota_is_had_at_once_and_no_more(requests in 1u32..2_000, wanted in 1u32..60) {
            let quota = Quota { requests, window: MINUTE };
            let (mut full_at, mut had) = (0, 0);
            loop {
                let (next, taken) = quota.take(full_at, 1_000, wanted);
                had += taken.granted;
                prop_assert_eq!(taken.left, requests - had);
                full_at = next;
                if taken.granted == 0 {
                    // One unit is there once the wait is over, and not a moment before.
                    let wait = micros(quota.wait(taken));
                    prop_assert!(wait > 0);
                    prop_assert_eq!(quota.take(full_at, 1_000 + wait - 1, 1).1.granted, 0);
                    prop_assert_eq!(quota.take(full_at, 1_000 + wait, 1).1.granted, 1);
                    break;
                }
            }
            prop_assert_eq!(had, requests);
        }

        #[test]
        fn r05_no_window_sees_more_than_the_quota_twice(
            requests in 1u32..100, gaps in proptest::collection::vec(0u64..3_000_000, 1..400)
        ) {
            let quota = Quota { requests, window: MINUTE };
            let (mut full_at, mut now, mut had) = (0, 0, Vec::new());
            for gap in gaps {
                now += gap;
                let (next, taken) = quota.take(full_at, now, 1);
                full_at = next;
                if taken.granted == 1 {
                    had.push(now);
                }
                let window = had.iter().filter(|at| now - **at < micros(MINUTE)).count();
                prop_assert!(window <= 2 * requests as usize);
            }
        }
    }
}
