//! Backends that are left alone for a while.
//!
//! Owns [`Rests`]: what was asked in vain, and until when nobody asks there again. A rest grows with each
//! failure, is as long as was wished for, one asks first when it is over, and the first answer ends it. It
//! knows no backend and reads no clock. All of it may be lost at any time: then one more asks in vain.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use erpgo_secret_set::MAX_RETRY_AFTER;

const FIRST: Duration = Duration::from_secs(5);
// Who comes back is noticed within this and one look.
const LONGEST: Duration = Duration::from_secs(30);
// Longer than a request may take; after it the next may try, whatever became of the one before.
const TRIAL: Duration = Duration::from_secs(15);
// A cache that met more than this starts again empty rather than growing.
const MAX_RESTS: usize = 10_000;

/// What is left alone, by name.
#[derive(Default)]
pub(super) struct Rests(Mutex<HashMap<String, Rest>>);

struct Rest {
    failures: u32,
    until: Instant,
    // One asks while the others wait for what it hears.
    on_trial: bool,
}

impl Rests {
    /// Whether `name` may be asked at `now`; whoever may asks at once.
    pub(super) fn may_ask(&self, name: &str, now: Instant) -> bool {
        let mut rests = self.rests();
        let Some(rest) = rests.get_mut(name) else {
            return true;
        };
        if now < rest.until {
            return false;
        }
        (rest.on_trial, rest.until) = (true, now + TRIAL);
        true
    }

    /// It was asked in vain, as was known at `now`, and wants to be left alone for as long as `wish`.
    pub(super) fn in_vain(&self, name: &str, now: Instant, wish: Duration) {
        let mut rests = self.rests();
        let failures = match rests.get(name) {
            // Those who asked at the same time tell nothing new.
            Some(rest) if now < rest.until && !rest.on_trial => return,
            Some(rest) => rest.failures.saturating_add(1),
            None => 1,
        };
        if rests.len() >= MAX_RESTS {
            rests.clear();
        }
        let rest = Rest {
            failures,
            until: now + pause(failures).max(wish.min(MAX_RETRY_AFTER)),
            on_trial: false,
        };
        rests.insert(name.to_owned(), rest);
    }

    /// It has answered.
    pub(super) fn answered(&self, name: &str) {
        self.rests().remove(name);
    }

    fn rests(&self) -> MutexGuard<'_, HashMap<String, Rest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pause(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(8);
    FIRST.saturating_mul(1 << doublings).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VAULT: &str = "https://vault:8200";

    #[test]
    fn i12_what_is_silent_is_asked_by_one_after_a_rest_that_grows() {
        let (rests, mut now) = (Rests::default(), Instant::now());
        assert!(rests.may_ask(VAULT, now) && rests.may_ask(VAULT, now));
        let mut paused = Vec::new();
        for _ in 0..5 {
            // Ten that asked at the same time are one failure.
            (0..10).for_each(|_| rests.in_vain(VAULT, now, Duration::ZERO));
            assert!(!rests.may_ask(VAULT, now));
            assert!(rests.may_ask("https://other:8200", now));
            let failed = now;
            while !rests.may_ask(VAULT, now) {
                now += Duration::from_secs(1);
            }
            paused.push((now - failed).as_secs());
            assert!(!rests.may_ask(VAULT, now), "a second one asks");
            now += Duration::from_secs(10);
        }
        assert_eq!(paused, [5, 10, 20, 30, 30]);
    }

    #[test]
    fn an_answer_ends_the_rest_and_what_it_had_grown_to() {
        let (rests, mut now) = (Rests::default(), Instant::now());
        for _ in 0..3 {
            rests.in_vain(VAULT, now, Duration::ZERO);
            now += LONGEST;
            assert!(rests.may_ask(VAULT, now));
        }
        rests.answered(VAULT);
        assert!(rests.may_ask(VAULT, now) && rests.may_ask(VAULT, now));
        rests.in_vain(VAULT, now, Duration::ZERO);
        assert!(!rests.may_ask(VAULT, now));
        assert!(rests.may_ask(VAULT, now + FIRST));
    }

    #[test]
    fn one_who_never_comes_back_from_a_trial_is_followed_by_another() {
        let (rests, now) = (Rests::default(), Instant::now());
        rests.in_vain(VAULT, now, Duration::ZERO);
        let tried = now + FIRST;
        assert!(rests.may_ask(VAULT, tried));
        assert!(!rests.may_ask(VAULT, tried + TRIAL - Duration::from_secs(1)));
        assert!(rests.may_ask(VAULT, tried + TRIAL));
    }

    #[test]
    fn a_wish_to_be_left_alone_is_kept_and_cut() {
        let now = Instant::now();
        for (wish, kept) in [(1, 5), (7, 7), (3600, 300)] {
            let rests = Rests::default();
            rests.in_vain(VAULT, now, Duration::from_secs(wish));
            let kept = now + Duration::from_secs(kept);
            assert!(!rests.may_ask(VAULT, kept - Duration::from_secs(1)));
            assert!(rests.may_ask(VAULT, kept));
        }
    }
}
