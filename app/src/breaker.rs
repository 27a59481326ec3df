//! When a server that is away is tried again.
//!
//! Owns [`Breaker`] (pure: it is told the time). After so many failures in a row nothing is tried for a
//! while, then one try decides. Redis and the mail server have one each, and so has each service that is called
//! ([`crate::outgoing`]).

use std::time::{Duration, Instant};

/// Failures in a row that open it.
const THRESHOLD: u32 = 5;

/// What may be tried now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Go on.
    Try,
    /// One try, to see whether the server is back.
    Probe,
    /// Nothing yet.
    Wait,
}

/// Counts failures in a row.
#[derive(Debug)]
pub(crate) struct Breaker {
    failures: u32,
    until: Option<Instant>,
    rest: Duration,
}

impl Breaker {
    /// Closed; rests for `rest` once it opens.
    pub(crate) const fn new(rest: Duration) -> Self {
        Self {
            failures: 0,
            until: None,
            rest,
        }
    }

    pub(crate) fn admit(&self, now: Instant) -> Admission {
        match self.until {
            None => Admission::Try,
            Some(until) if now >= until => Admission::Probe,
            Some(_) => Admission::Wait,
        }
    }

    /// Whether a call may be tried now; once it has rested, one, and the others wait for what comes of it.
    pub(crate) fn enters(&mut self, now: Instant) -> bool {
        let admission = self.admit(now);
        if admission == Admission::Probe {
            self.until = Some(now + self.rest);
        }
        admission != Admission::Wait
    }

    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
        self.until = None;
    }

    /// True when this failure opens it.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        let opens = self.failures >= THRESHOLD;
        if opens {
            self.until = Some(now + self.rest);
        }
        opens
    }

    pub(crate) const fn is_open(&self) -> bool {
        self.until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REST: Duration = Duration::from_secs(30);

    #[test]
    fn it_opens_after_five_failures_probes_once_it_has_rested_and_closes_on_success() {
        let (mut breaker, start) = (Breaker::new(REST), Instant::now());
        for _ in 0..4 {
            assert!(!breaker.failed(start));
            assert_eq!(breaker.admit(start), Admission::Try);
        }
        assert!(breaker.failed(start));
        assert_eq!(breaker.admit(start + REST / 2), Admission::Wait);
        assert_eq!(breaker.admit(start + REST), Admission::Probe);
        assert!(breaker.failed(start + REST));
        assert_eq!(breaker.admit(start + REST), Admission::Wait);
        breaker.succeeded();
        assert_eq!(breaker.admit(start), Admission::Try);
    }

    #[test]
    fn one_probes_and_the_others_wait() {
        let (mut breaker, start) = (Breaker::new(REST), Instant::now());
        for _ in 0..5 {
            breaker.failed(start);
        }
        assert!(!breaker.enters(start + REST / 2));
        assert!(breaker.enters(start + REST));
        assert!(!breaker.enters(start + REST));
        assert!(breaker.enters(start + REST * 2));
        breaker.succeeded();
        assert!(breaker.enters(start + REST * 2) && breaker.enters(start + REST * 2));
    }

    proptest! {
        #[test]
        fn fewer_than_five_in_a_row_never_open_it(outcomes in proptest::collection::vec(any::<bool>(), 0..60)) {
            let (mut breaker, now) = (Breaker::new(REST), Instant::now());
            let mut row = 0;
            for good in outcomes {
                if good {
                    breaker.succeeded();
                    row = 0;
                } else {
                    breaker.failed(now);
                    row += 1;
                }
                prop_assert_eq!(breaker.is_open(), row >= 5);
            }
        }
    }
}
