//! Counting within this process, whether Redis answers or not.
//!
//! Owns [`Memory`]. A name takes some 110 bytes; an address some 200, and 16 more for each use beyond four that its
//! share lets it have: some 20 MB in all, when both are full and the share is that of the defaults.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Counted;
use super::entries::Entries;
use crate::config::LimitSettings;

#[derive(Default)]
pub(super) struct Memory {
    windows: Mutex<Entries<String, VecDeque<Instant>>>,
    counts: Mutex<Entries<String, Count>>,
}

#[derive(Clone, Copy)]
struct Count {
    number: u32,
    until: Instant,
}

// Nothing is left half-done by a panic in here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    /// How long to wait, if the key has had its share of the sliding window.
    pub(super) fn admit(&self, key: &str, limits: &LimitSettings) -> Option<Duration> {
        let now = Instant::now();
        let mut windows = lock(&self.windows);
        let is_alive = |times: &VecDeque<Instant>| {
            times
                .back()
                .is_some_and(|last| now - *last < limits.login_window)
        };
        let times = windows.entry(key.to_owned(), is_alive, VecDeque::new());
        while times
            .front()
            .is_some_and(|first| now - *first >= limits.login_window)
        {
            times.pop_front();
        }
        if times.len() < limits.login_per_ip as usize {
            times.push_back(now);
            return None;
        }
        times
            .front()
            .map(|first| limits.login_window - (now - *first))
    }

    /// Takes back the newest use that was admitted, which was refused after all.
    pub(super) fn dismiss(&self, key: &str) {
        if let Some(times) = lock(&self.windows).known(key) {
            times.pop_back();
        }
    }

    pub(super) fn attempt(&self, key: &str, limits: &LimitSettings) -> Counted {
        let now = Instant::now();
        let mut counts = lock(&self.counts);
        let fresh = Count {
            number: 0,
            until: now + limits.lockout_duration,
        };
        let count = counts.entry(key.to_owned(), |count| count.until > now, fresh);
        if count.until <= now {
            *count = fresh;
        }
        let number = count.number.saturating_add(1);
        // One that is refused is no failure: were it counted, a lock would begin with no attempt that began it,
        // once one that is under way is taken back.
        if number <= limits.lockout_failures {
            count.number = number;
        }
        if number == limits.lockout_failures {
            count.until = now + limits.lockout_duration;
        }
        Counted {
            number,
            left: count.until - now,
        }
    }

    pub(super) fn forget(&self, key: &str) {
        lock(&self.counts).remove(key);
    }

    pub(super) fn release(&self, key: &str) {
        if let Some(count) = lock(&self.counts).known(key) {
            count.number = count.number.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits(per_ip: u32, failures: u32) -> LimitSettings {
        LimitSettings {
            login_per_ip: per_ip,
            login_window: Duration::from_secs(900),
            lockout_failures: failures,
            lockout_duration: Duration::from_secs(900),
            ..crate::config::default_live().limits
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn p09_exactly_the_allowed_number_is_admitted(per_ip in 1u32..20, tries in 1u32..60) {
            let memory = Memory::default();
            let limits = limits(per_ip, 5);
            let admitted = (0..tries).filter(|_| memory.admit("a", &limits).is_none()).count();
            prop_assert_eq!(admitted, tries.min(per_ip) as usize);
            prop_assert!(memory.admit("b", &limits).is_none());
        }

        #[test]
        fn p10_attempts_are_numbered_until_they_are_forgotten(failures in 1u32..10, tries in 1u32..30) {
            let memory = Memory::default();
            let limits = limits(5, failures);
            for number in 1..=tries {
                let counted = memory.attempt("a", &limits).number;
                prop_assert_eq!(counted, number.min(failures + 1));
            }
            memory.forget("a");
            prop_assert_eq!(memory.attempt("a", &limits).number, 1);
        }
    }

    #[test]
    fn p09_what_is_dismissed_takes_nothing_of_the_share() {
        let memory = Memory::default();
        let limits = limits(2, 5);
        for _ in 0..5 {
            assert!(memory.admit("a", &limits).is_none());
            memory.dismiss("a");
        }
        memory.dismiss("b");
        assert!(memory.admit("a", &limits).is_none());
        assert!(memory.admit("a", &limits).is_none());
        assert!(memory.admit("a", &limits).is_some());
    }

    #[test]
    fn p09_a_window_slides() {
        let memory = Memory::default();
        let limits = LimitSettings {
            login_window: Duration::from_millis(60),
            ..limits(1, 5)
        };
        assert!(memory.admit("a", &limits).is_none());
        let wait = memory.admit("a", &limits).unwrap();
        std::thread::sleep(wait);
        assert!(memory.admit("a", &limits).is_none());
    }
}
