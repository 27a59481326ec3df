//! Many sidecars in simulated time.
//!
//! Owns a model of a fleet around the real [`Schedule`]: no I/O and no clock, so that a day of 10,000
//! pods takes seconds. It shows what the schedule does to a backend; it decides nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use erpgo_secret_set::Generation;

use crate::schedule::{Schedule, Unit};

/// What the backend answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The document, unchanged.
    Unchanged,
    /// 429, with what it asks for.
    Throttled(Option<Duration>),
}

/// Requests in each second of the simulated time.
pub(crate) struct Load(pub(crate) Vec<u32>);

impl Load {
    /// The busiest second of `seconds`.
    pub(crate) fn peak(&self, seconds: std::ops::Range<usize>) -> u32 {
        self.part(seconds).iter().copied().max().unwrap_or(0)
    }

    /// Requests per second on the average of `seconds`.
    pub(crate) fn mean(&self, seconds: std::ops::Range<usize>) -> f64 {
        let part = self.part(seconds);
        let length = u32::try_from(part.len().max(1)).unwrap_or(u32::MAX);
        f64::from(part.iter().sum::<u32>()) / f64::from(length)
    }

    /// All of them.
    pub(crate) fn total(&self) -> u32 {
        self.0.iter().sum()
    }

    fn part(&self, seconds: std::ops::Range<usize>) -> &[u32] {
        self.0.get(seconds).unwrap_or_default()
    }
}

/// Plays `pods` sidecars that all start at once; `reply` sees the second and how many came before in it.
pub(crate) fn play(
    pods: u32,
    interval: Duration,
    seconds: usize,
    mut reply: impl FnMut(usize, u32) -> Reply,
) -> Load {
    let start = Instant::now();
    let mut chance = Chance(0x5eed);
    let mut fleet: Vec<Schedule> = (0..pods).map(|_| Schedule::new(interval, start)).collect();
    let mut queue: BinaryHeap<_> = (0..fleet.len()).map(|pod| Reverse((start, pod))).collect();
    let mut load = Load(vec![0; seconds]);
    while let Some(Reverse((now, pod))) = queue.pop() {
        let second = usize::try_from((now - start).as_secs()).unwrap_or(usize::MAX);
        let (Some(count), Some(schedule)) = (load.0.get_mut(second), fleet.get_mut(pod)) else {
            break;
        };
        match reply(second, *count) {
            Reply::Unchanged => schedule.succeeded(now, Some(Generation::FIRST), chance.unit()),
            Reply::Throttled(asked) => schedule.failed(now, asked, chance.unit()),
        }
        *count += 1;
        queue.push(Reverse((schedule.due(), pod)));
    }
    load
}

// SplitMix64: the same numbers at each run, so that a figure can be looked up again.
struct Chance(u64);

impl Chance {
    fn unit(&mut self) -> Unit {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Unit::from_bits(bits ^ (bits >> 31))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PODS: u32 = 10_000;
    const MINUTE: Duration = Duration::from_secs(60);
    // One poll a minute each.
    const AT_REST: f64 = 10_000.0 / 60.0;

    fn within(peak: u32, times: f64) {
        assert!(f64::from(peak) <= AT_REST * times, "{peak} in one second");
    }

    #[test]
    fn a_fleet_that_started_at_once_spreads_by_itself() {
        let load = play(PODS, MINUTE, 3600, |_, _| Reply::Unchanged);
        assert_eq!(load.0[0], PODS);
        within(load.peak(1..3600), 3.0);
        within(load.peak(1800..3600), 1.6);
        assert!(load.total() > 50 * PODS);
        assert!((load.mean(1800..3600) / AT_REST - 1.0).abs() < 0.05);
    }

    #[test]
    fn minutes_of_429_are_met_with_a_bounded_and_even_load() {
        let (from, to) = (1800, 2400);
        let load = play(PODS, MINUTE, 3600, |second, _| {
            if (from..to).contains(&second) {
                Reply::Throttled(None)
            } else {
                Reply::Unchanged
            }
        });
        // Each pod tries a few times in its first minute, and then hardly more often than at rest.
        within(load.peak(from..from + 90), 8.0);
        within(load.peak(from + 120..to), 2.2);
        within(load.peak(to..3600), 2.2);
    }

    #[test]
    fn retry_after_brings_nobody_back_in_step() {
        let (from, to) = (1800, 2400);
        let asked = Some(Duration::from_secs(30));
        let load = play(PODS, MINUTE, 3600, |second, _| {
            if (from..to).contains(&second) {
                Reply::Throttled(asked)
            } else {
                Reply::Unchanged
            }
        });
        within(load.peak(from..3600), 3.0);
    }

    #[test]
    fn a_start_against_a_limit_gets_everybody_served_without_a_storm() {
        let limit = 200;
        let mut served = 0;
        let load = play(PODS, Duration::from_secs(3600), 600, |_, before| {
            if before >= limit {
                return Reply::Throttled(None);
            }
            served += 1;
            Reply::Unchanged
        });
        assert_eq!(served, PODS);
        // 25 s at the limit serve half of the fleet. The other half waits, and mostly no longer than the
        // 6th wait, 0.5 to 32 s and so 16.25 s on the average: 5,000 / 16.25 s, more than the limit. So
        // until then no second of the backend's is lost.
        let busy = &load.0[..25];
        assert!(busy.iter().all(|count| *count >= limit), "{busy:?}");
        // Ten thousand at once is what there was to begin with; each later second has fewer.
        assert!(load.peak(1..600) < PODS, "{}", load.peak(1..600));
        let peak = f64::from(load.peak(10..600));
        assert!(peak <= most_after_ten_seconds(limit), "{peak}");
    }

    // The k-th wait of a pod is drawn evenly from 0.5 s to 2^(k-1) s, so in no second do more than
    // 1/(2^(k-1) - 0.5) of those who wait it come back. The first three waits take 1 + 2 + 4 = 7 s at
    // the most, so after ten seconds only later ones are left:
    //   the 4th (over at 15 s), 5th (at 31 s) and 6th (at 63 s): 1/7.5 + 1/15.5 + 1/31.5;
    //   from the 7th on (33 s at the earliest, when the 4th and 5th are over): gaps of 30 to 60 s drawn
    //   evenly, together 1/30 at the most, which is less than what is over by then.
    // All but the first second's `limit` wait. Five standard deviations are left to chance.
    fn most_after_ten_seconds(limit: u32) -> f64 {
        let waiting = f64::from(PODS - limit);
        let mean = waiting * (1.0 / 7.5 + 1.0 / 15.5 + 1.0 / 31.5);
        mean + 5.0 * mean.sqrt()
    }
}
