//! Counting within this process, whether Redis answers or not.
//!
//! Owns [`Memory`]. A name takes some 110 bytes; an address some 200, and 16 more for each use beyond four that its
//! share lets it have: some 20 MB in all, when both are full and the share is that of the defaults.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Counted;
use super::entries::{Entries, Hold};
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

fn of_window(times: &VecDeque<Instant>, now: Instant, limits: &LimitSettings) -> Hold {
    let is_alive = |at: &Instant| now - *at < limits.login_window;
    // The oldest of as many as the share has.
    let share = limits.login_per_ip as usize;
    let oldest = times.len().checked_sub(share).and_then(|at| times.get(at));
    if oldest.is_some_and(is_alive) {
        Hold::Bars
    } else if times.back().is_some_and(is_alive) {
        Hold::Counts
    } else {
        Hold::Over
    }
}

fn of_count(count: Count, now: Instant, limits: &LimitSettings) -> Hold {
    if count.until <= now {
        Hold::Over
    } else if count.number >= limits.lockout_failures {
        Hold::Bars
    } else {
        Hold::Counts
    }
}

impl Memory {
    /// How long to wait, if the key has had its share of the sliding window.
    pub(super) fn admit(&self, key: &str, limits: &LimitSettings) -> Option<Duration> {
        let now = Instant::now();
        let mut windows = lock(&self.windows);
        let hold = |times: &VecDeque<Instant>| of_window(times, now, limits);
        let times = windows.entry(key.to_owned(), hold, VecDeque::new());
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
        let hold = |count: &Count| of_count(*count, now, limits);
        let count = counts.entry(key.to_owned(), hold, fresh);
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

    /// More than are kept; the newest come after some were cast out for the last time.
    const BOTNET: usize = 58_000;

    #[test]
    fn p10_a_lock_outlives_whoever_tries_many_names() {
        let memory = Memory::default();
        let limits = limits(5, 5);
        for _ in 0..5 {
            memory.attempt("locked", &limits);
        }
        for n in 0..BOTNET {
            assert_eq!(memory.attempt(&format!("name {n}"), &limits).number, 1);
        }
        assert_eq!(memory.attempt("locked", &limits).number, 6);
        // Of the names themselves, which bar nobody, some are forgotten.
        let known = |n: &usize| memory.attempt(&format!("name {n}"), &limits).number == 2;
        let known = (0..BOTNET).rev().take(10).filter(known).count();
        assert_eq!(known, 10, "the newest are not among them");
        assert!(lock(&memory.counts).len() < BOTNET);
        // A lock that is over is no lock.
        memory.forget("locked");
        assert_eq!(memory.attempt("locked", &limits).number, 1);
    }

    #[test]
    fn p09_a_share_that_is_had_outlives_whoever_has_many_addresses() {
        let memory = Memory::default();
        let limits = limits(2, 5);
        assert!(memory.admit("a", &limits).is_none());
        assert!(memory.admit("a", &limits).is_none());
        for n in 0..BOTNET {
            assert!(memory.admit(&format!("address {n}"), &limits).is_none());
        }
        assert!(memory.admit("a", &limits).is_some());
        assert!(lock(&memory.windows).len() < BOTNET);
    }

    #[test]
    fn p09_and_p10_what_bars_counts_and_is_over_is_told_apart() {
        let limits = limits(2, 5);
        let now = Instant::now();
        let later = now + limits.login_window;
        let times = |times: &[Instant]| times.iter().copied().collect::<VecDeque<_>>();
        for (times, at, expected) in [
            (times(&[]), now, Hold::Over),
            (times(&[now]), now, Hold::Counts),
            (times(&[now, now]), now, Hold::Bars),
            // The first one gives its place back.
            (times(&[now, later]), later, Hold::Counts),
            (times(&[now, now]), later, Hold::Over),
            // The share has become smaller.
            (times(&[now, later, later]), later, Hold::Bars),
        ] {
            assert_eq!(of_window(&times, at, &limits), expected, "{times:?}");
        }
        for (number, at, expected) in [
            (4, now, Hold::Counts),
            (5, now, Hold::Bars),
            (5, later, Hold::Over),
        ] {
            let count = Count {
                number,
                until: later,
            };
            assert_eq!(of_count(count, at, &limits), expected, "{number}");
        }
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
