//! Who leads, decided without a clock or a network.
//!
//! Owns [`Election`]: the state of one candidate. Time is an argument, measured from any fixed point
//! of this process's monotonic clock, since the clocks of two nodes need not agree: another holder's
//! lease counts as expired when this candidate has seen no renewal for the whole lease duration.
//! It must never read the cluster; `lease::object` does.

use std::time::Duration;

/// How long a lease lasts and how often it is renewed.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long others wait after the last renewal that they saw.
    pub duration: Duration,
    /// How long the holder tries to renew before it counts the lease as lost.
    pub renew_deadline: Duration,
    /// Time between two attempts.
    pub retry: Duration,
}

impl Default for Timing {
    // The holder gives up 5 s before anybody else may begin: room for a request that is under way.
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// The lease as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; empty when it was released.
    pub holder: String,
    /// How long it lasts.
    pub duration: Duration,
    /// Changes with every write.
    pub version: String,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Create the lease: there is none.
    Create,
    /// Take the lease over: it is free or expired.
    Take,
    /// Renew the lease: it is ours.
    Renew,
    /// Do nothing until the next attempt.
    Wait,
    /// Stop leading at once: somebody else holds the lease, or ours could not be renewed in time.
    Lost,
}

#[derive(Debug)]
struct Seen {
    version: String,
    at: Duration,
}

/// One candidate.
#[derive(Debug)]
pub struct Election {
    identity: String,
    timing: Timing,
    seen: Option<Seen>,
    renewed_at: Option<Duration>,
}

impl Election {
    /// A candidate that does not lead.
    #[must_use]
    pub fn new(identity: String, timing: Timing) -> Self {
        Self {
            identity,
            timing,
            seen: None,
            renewed_at: None,
        }
    }

    /// The name that the lease carries while this candidate holds it.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// When this candidate stops leading unless it renews before.
    #[must_use]
    pub fn leads_until(&self) -> Option<Duration> {
        self.renewed_at.map(|at| at + self.timing.renew_deadline)
    }

    /// The timing that this candidate keeps.
    #[must_use]
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// Whether this candidate may act as the leader at `now`.
    #[must_use]
    pub fn leads(&self, now: Duration) -> bool {
        self.renewed_at
            .is_some_and(|at| now.saturating_sub(at) < self.timing.renew_deadline)
    }

    /// Whether this candidate has led and may do so no more.
    #[must_use]
    pub fn overdue(&self, now: Duration) -> bool {
        self.renewed_at.is_some() && !self.leads(now)
    }

    /// Decides what to do with what was read at `now`.
    pub fn decide(&mut self, now: Duration, found: Option<&Record>) -> Move {
        if self.overdue(now) {
            return Move::Lost;
        }
        let led = self.renewed_at.is_some();
        match found {
            None if led => Move::Lost,
            None => Move::Create,
            Some(record) if record.holder == self.identity => Move::Renew,
            Some(_) if led => Move::Lost,
            Some(record) if record.holder.is_empty() => Move::Take,
            Some(record) => self.wait_for(now, record),
        }
    }

    fn wait_for(&mut self, now: Duration, record: &Record) -> Move {
        match &self.seen {
            Some(seen) if seen.version == record.version => {
                if now.saturating_sub(seen.at) >= record.duration {
                    Move::Take
                } else {
                    Move::Wait
                }
            }
            _ => {
                self.seen = Some(Seen {
                    version: record.version.clone(),
                    at: now,
                });
                Move::Wait
            }
        }
    }

    /// Notes that a write which was begun at `asked` succeeded. The lease counts from the beginning
    /// of the request, since the server may have answered long after it wrote.
    pub fn written(&mut self, asked: Duration) {
        self.renewed_at = Some(asked);
        self.seen = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn record(holder: &str, version: u64) -> Record {
        Record {
            holder: holder.into(),
            duration: Timing::default().duration,
            version: version.to_string(),
        }
    }

    fn candidate(name: &str) -> Election {
        Election::new(name.into(), Timing::default())
    }

    #[test]
    fn a_free_lease_is_taken_and_then_renewed() {
        let mut a = candidate("a");
        assert_eq!(a.decide(seconds(0), None), Move::Create);
        assert!(!a.leads(seconds(0)));
        a.written(seconds(0));
        assert!(a.leads(seconds(9)));
        assert_eq!(a.decide(seconds(2), Some(&record("a", 1))), Move::Renew);
        assert_eq!(
            candidate("b").decide(seconds(0), Some(&record("", 1))),
            Move::Take
        );
    }

    #[test]
    fn another_holder_is_waited_for_from_the_last_renewal_that_was_seen() {
        let mut b = candidate("b");
        assert_eq!(b.decide(seconds(100), Some(&record("a", 1))), Move::Wait);
        assert_eq!(b.decide(seconds(114), Some(&record("a", 1))), Move::Wait);
        assert_eq!(b.decide(seconds(114), Some(&record("a", 2))), Move::Wait);
        assert_eq!(b.decide(seconds(128), Some(&record("a", 2))), Move::Wait);
        assert_eq!(b.decide(seconds(129), Some(&record("a", 2))), Move::Take);
    }

    #[test]
    fn a_leader_that_cannot_renew_or_meets_another_holder_has_lost() {
        let mut a = candidate("a");
        a.written(seconds(0));
        assert!(!a.leads(seconds(10)));
        assert!(a.overdue(seconds(10)));
        assert_eq!(a.decide(seconds(10), Some(&record("a", 1))), Move::Lost);
        for found in [None, Some(record("b", 2)), Some(record("", 2))] {
            let mut a = candidate("a");
            a.written(seconds(0));
            assert_eq!(a.decide(seconds(1), found.as_ref()), Move::Lost);
        }
    }

    /// A server that compares and swaps, and a network that loses answers.
    struct World {
        lease: Option<Record>,
        version: u64,
        candidates: [Election; 3],
        ended: [bool; 3],
    }

    impl World {
        fn new() -> Self {
            Self {
                lease: None,
                version: 0,
                candidates: ["a", "b", "c"].map(candidate),
                ended: [false; 3],
            }
        }

        /// One attempt of candidate `i`: its read is `stale` or fresh, its answer may be lost.
        fn attempt(&mut self, i: usize, now: Duration, stale: Option<&Record>, lost: bool) {
            let fresh = self.lease.clone();
            let read = stale.cloned().or(fresh);
            let chosen = self.candidates[i].decide(now, read.as_ref());
            if chosen == Move::Lost {
                self.ended[i] = true;
            }
            if !matches!(chosen, Move::Create | Move::Take | Move::Renew) {
                return;
            }
            let current = self.lease.as_ref().map(|r| r.version.clone());
            if current != read.map(|r| r.version) {
                return;
            }
            self.version += 1;
            let holder = self.candidates[i].identity().to_owned();
            self.lease = Some(record(&holder, self.version));
            if !lost {
                self.candidates[i].written(now);
            }
        }

        fn leaders(&self, now: Duration) -> usize {
            (0..3)
                .filter(|&i| !self.ended[i] && self.candidates[i].leads(now))
                .count()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn two_candidates_never_lead_at_once(
            steps in prop::collection::vec((0usize..3, 0u64..7000, any::<bool>(), any::<bool>()), 1..200),
        ) {
            let mut world = World::new();
            let mut now = Duration::ZERO;
            let mut older = None;
            for (i, wait, stale, lost) in steps {
                now += Duration::from_millis(wait);
                let before = world.lease.clone();
                if !world.ended[i] {
                    world.attempt(i, now, older.as_ref().filter(|_| stale), lost);
                }
                older = before;
                prop_assert!(world.leaders(now) <= 1);
            }
        }

        #[test]
        fn some_candidate_leads_once_the_network_is_quiet(
            steps in prop::collection::vec((0usize..3, 0u64..7000, any::<bool>()), 0..60),
        ) {
            let mut world = World::new();
            let mut now = Duration::ZERO;
            for (i, wait, lost) in steps {
                now += Duration::from_millis(wait);
                if !world.ended[i] {
                    world.attempt(i, now, None, lost);
                }
            }
            // A candidate that ended comes back under a new name, as a restarted pod does.
            for (i, name) in ["x", "y", "z"].into_iter().enumerate() {
                if world.ended[i] {
                    world.candidates[i] = candidate(name);
                    world.ended[i] = false;
                }
            }
            let deadline = now + seconds(40);
            while now < deadline {
                now += seconds(2);
                for i in 0..3 {
                    if world.ended[i] {
                        world.candidates[i] = candidate(["u", "v", "w"][i]);
                        world.ended[i] = false;
                    }
                    world.attempt(i, now, None, false);
                }
            }
            prop_assert_eq!(world.leaders(now), 1);
        }
    }
}
