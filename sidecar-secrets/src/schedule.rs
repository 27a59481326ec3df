//! When to read the backend next.
//!
//! Owns [`Schedule`] and [`backoff`]: pure, so time and chance are arguments. Two reads are never
//! closer than [`NUDGE_GAP`], whatever is nudged, nor closer than [`MIN_GAP`] after one that failed,
//! and a read always comes (I-12): there is no state without a next one.

use std::time::{Duration, Instant};

use erpgo_secret_set::{Generation, MAX_RETRY_AFTER};

/// The least time between a read that succeeded and the one that a nudge asks for: the steps of a
/// rotation follow each other as fast as every pod acknowledges them.
pub(crate) const NUDGE_GAP: Duration = Duration::from_millis(100);
/// The least time between the end of an attempt that failed and the start of the next.
pub(crate) const MIN_GAP: Duration = Duration::from_millis(500);
/// The longest wait after a failure.
pub(crate) const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// A number in `[0, 1)` that someone drew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Unit(f64);

impl Unit {
    /// From 64 random bits.
    #[must_use]
    pub(crate) fn from_bits(bits: u64) -> Self {
        // 53 bits are what an f64 holds exactly below 1.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let part = (bits >> 11) as f64;
        Self(part / 9_007_199_254_740_992.0)
    }

    /// `low + unit × (high − low)`.
    #[must_use]
    pub(crate) fn between(self, low: Duration, high: Duration) -> Duration {
        low + high.saturating_sub(low).mul_f64(self.0)
    }
}

/// The wait after `failures` failures in a row: up to 1 s, 2 s, 4 s and so on to 60 s.
///
/// While it grows, all of it but [`MIN_GAP`] is jitter: pods that failed together then come back in
/// waves that run into each other, with no crest high above the others and no second between them in
/// which a backend with a limit has nobody to serve. At its longest, half of it is jitter, so that an
/// hour of failures has a bounded number of reads whatever chance brings.
#[must_use]
pub(crate) fn backoff(failures: u32, unit: Unit) -> Duration {
    let longest = doubled(MIN_GAP, failures);
    let least = if longest < MAX_BACKOFF {
        MIN_GAP
    } else {
        MAX_BACKOFF / 2
    };
    unit.between(least, longest)
}

/// The wait after `times` reads in a row that lagged behind: doubling, of which half is jitter.
fn lag(times: u32, unit: Unit) -> Duration {
    let longest = doubled(NUDGE_GAP, times.saturating_sub(1));
    unit.between(longest / 2, longest).max(NUDGE_GAP)
}

fn doubled(least: Duration, times: u32) -> Duration {
    least.saturating_mul(1 << times.min(10)).min(MAX_BACKOFF)
}

/// Decides when the backend is read.
#[derive(Debug)]
pub(crate) struct Schedule {
    interval: Duration,
    due: Instant,
    // No attempt before this, set by the end of the last one and by Retry-After.
    earliest: Instant,
    failures: u32,
    // Reads in a row that succeeded and still gave less than what was asked for.
    behind: u32,
    wanted: Option<Generation>,
}

impl Schedule {
    /// The first read is due at once.
    #[must_use]
    pub(crate) fn new(interval: Duration, now: Instant) -> Self {
        Self {
            interval,
            due: now,
            earliest: now,
            failures: 0,
            behind: 0,
            wanted: None,
        }
    }

    /// When the next read is due.
    #[must_use]
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// A read succeeded and this pod now holds `held`.
    pub(crate) fn succeeded(&mut self, now: Instant, held: Option<Generation>, unit: Unit) {
        self.failures = 0;
        self.earliest = now + NUDGE_GAP;
        let poll = unit.between(self.interval.mul_f64(0.8), self.interval.mul_f64(1.2));
        let wait = if self.is_behind(held) {
            // The writer said that there is more; a replica may need a moment to show it.
            self.behind = self.behind.saturating_add(1);
            lag(self.behind, unit).min(poll)
        } else {
            self.behind = 0;
            self.wanted = None;
            poll
        };
        self.due = now + wait;
    }

    /// A read failed; `retry_after` is what the backend asked for.
    pub(crate) fn failed(&mut self, now: Instant, retry_after: Option<Duration>, unit: Unit) {
        self.failures = self.failures.saturating_add(1);
        let asked = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
        self.earliest = now + asked.max(MIN_GAP);
        // On top of what was asked for, so that all pods do not come back in the same second.
        let spread = if asked.is_zero() {
            Duration::ZERO
        } else {
            unit.between(Duration::ZERO, asked / 5)
        };
        self.due = now + (asked + spread).max(backoff(self.failures, unit));
    }

    /// Someone says that `wanted` is there: read as soon as it is allowed.
    pub(crate) fn nudged(&mut self, now: Instant, wanted: Generation) {
        if self.behind > 0 && self.wanted >= Some(wanted) {
            // Looked for already, ever more seldom: asking again does not make it come sooner.
            return;
        }
        self.wanted = Some(wanted);
        self.behind = 0;
        self.due = self.due.min(now.max(self.earliest));
    }

    fn is_behind(&self, held: Option<Generation>) -> bool {
        self.wanted.is_some_and(|wanted| held < Some(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[derive(Clone, Debug)]
    enum Event {
        Success(u64),
        Failure(Option<Duration>),
        Nudge { after: Duration, wanted: u64 },
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            3 => (0u64..6).prop_map(Event::Success),
            3 => proptest::option::of((0u64..100_000).prop_map(Duration::from_millis))
                .prop_map(Event::Failure),
            1 => (0u64..90_000, 0u64..9).prop_map(|(ms, wanted)| Event::Nudge {
                after: Duration::from_millis(ms), wanted
            }),
        ]
    }

    struct Run {
        attempts: Vec<Instant>,
        not_before: Vec<Instant>,
        nudges: usize,
    }

    // Plays the events; each attempt starts when it is due and takes no time, the worst case.
    fn play(interval: Duration, events: &[(Event, u64)]) -> Run {
        let mut now = Instant::now();
        let mut schedule = Schedule::new(interval, now);
        let mut run = Run {
            attempts: vec![],
            not_before: vec![now],
            nudges: 0,
        };
        for (event, bits) in events {
            let unit = Unit::from_bits(*bits);
            if let Event::Nudge { after, wanted } = event {
                now = schedule.due().min(now + *after);
                schedule.nudged(now, Generation(*wanted));
                run.nudges += 1;
                continue;
            }
            now = now.max(schedule.due());
            run.attempts.push(now);
            match event {
                Event::Success(held) => {
                    schedule.succeeded(now, Some(Generation(*held)), unit);
                    run.not_before.push(now + NUDGE_GAP);
                }
                Event::Failure(retry) => {
                    schedule.failed(now, *retry, unit);
                    run.not_before
                        .push(now + retry.unwrap_or_default().max(MIN_GAP));
                }
                Event::Nudge { .. } => {}
            }
            let longest = (interval.mul_f64(1.2))
                .max(MAX_BACKOFF)
                .max(MAX_RETRY_AFTER.mul_f64(1.2));
            assert!(schedule.due() <= now + longest, "a read always comes");
        }
        run
    }

    fn most_in_an_hour(attempts: &[Instant]) -> usize {
        let within = |from: &Instant| {
            attempts
                .iter()
                .filter(|at| *at >= from && **at < *from + HOUR)
                .count()
        };
        attempts.iter().map(within).max().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn two_reads_are_never_closer_than_the_least_gap_nor_before_retry_after(
            events in prop::collection::vec((event(), any::<u64>()), 1..300),
            interval in 5u64..3600,
        ) {
            let run = play(Duration::from_secs(interval), &events);
            for pair in run.attempts.windows(2) {
                prop_assert!(pair[1] - pair[0] >= NUDGE_GAP);
            }
            for (attempt, not_before) in run.attempts.iter().zip(&run.not_before) {
                prop_assert!(attempt >= not_before);
            }
        }

        #[test]
        fn an_hour_of_any_failures_costs_a_bounded_number_of_reads(
            failures in prop::collection::vec(
                proptest::option::of((0u64..100_000).prop_map(Duration::from_millis)), 1..400),
            bits in prop::collection::vec(any::<u64>(), 400),
        ) {
            let events: Vec<_> = failures.into_iter().map(Event::Failure).zip(bits).collect();
            let run = play(Duration::from_secs(60), &events);
            // 7 while the wait grows to 60 s, then one each 30 s at the most.
            prop_assert!(most_in_an_hour(&run.attempts) <= 7 + 3600 / 30);
        }

        #[test]
        fn nudges_add_a_bounded_number_of_reads(
            events in prop::collection::vec((event(), any::<u64>()), 1..300),
        ) {
            // A success below what is wanted starts a ramp only once a nudge; failures ramp on.
            let events: Vec<_> = events.into_iter().map(|(event, bits)| match event {
                Event::Success(_) => (Event::Success(0), bits),
                other => (other, bits),
            }).collect();
            let run = play(Duration::from_secs(60), &events);
            let switches = events.windows(2).filter(|pair| {
                matches!(pair[0].0, Event::Success(_)) && matches!(pair[1].0, Event::Failure(_))
            }).count();
            prop_assert!(most_in_an_hour(&run.attempts) <= 8 + 3600 / 30 + 12 * (run.nudges + switches));
        }
    }

    #[test]
    fn failures_are_retried_ever_more_slowly() {
        let (least, most) = (Unit::from_bits(0), Unit::from_bits(u64::MAX));
        let longest = |failures| backoff(failures, most).as_secs_f64().round();
        assert_eq!([1, 2, 3, 4, 5, 6].map(longest), [1., 2., 4., 8., 16., 32.]);
        assert_eq!([7, 8, u32::MAX].map(longest), [60., 60., 60.]);
        assert_eq!([1, 3, 6].map(|n| backoff(n, least)), [MIN_GAP; 3]);
        assert_eq!(
            [7, u32::MAX].map(|n| backoff(n, least)),
            [MAX_BACKOFF / 2; 2]
        );
    }

    #[test]
    fn a_nudge_is_read_at_once_and_a_satisfied_one_returns_to_the_poll() {
        let start = Instant::now();
        let half = Unit::from_bits(u64::MAX / 2);
        let mut schedule = Schedule::new(Duration::from_secs(60), start);
        schedule.succeeded(start, Some(Generation(1)), half);
        let later = start + Duration::from_secs(10);
        schedule.nudged(later, Generation(2));
        assert_eq!(schedule.due(), later);
        schedule.succeeded(later, Some(Generation(1)), half);
        assert!(
            schedule.due() <= later + Duration::from_secs(1),
            "behind: looks again soon"
        );
        let again = schedule.due();
        schedule.succeeded(again, Some(Generation(2)), half);
        assert!(schedule.due() >= again + Duration::from_secs(48));
    }

    #[test]
    fn the_same_nudge_again_does_not_hasten_what_has_not_come() {
        let (start, none) = (Instant::now(), Unit::from_bits(0));
        let mut schedule = Schedule::new(Duration::from_secs(60), start);
        let mut reads = 0;
        // Somebody asks every 10 ms for ten seconds for what is not there.
        for tick in 0..1_000 {
            let now = start + Duration::from_millis(10) * tick;
            schedule.nudged(now, Generation(2));
            if schedule.due() <= now {
                reads += 1;
                schedule.succeeded(now, Some(Generation(1)), none);
            }
        }
        assert!((5..10).contains(&reads), "{reads}");
        let now = start + Duration::from_secs(10);
        schedule.nudged(now, Generation(3));
        assert!(schedule.due() <= now + NUDGE_GAP, "a later one is news");
    }

    #[test]
    fn a_nudge_does_not_break_retry_after() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Duration::from_secs(60), start);
        schedule.failed(start, Some(Duration::from_secs(30)), Unit::from_bits(0));
        schedule.nudged(start + Duration::from_secs(1), Generation(2));
        assert_eq!(schedule.due(), start + Duration::from_secs(30));
    }
}
