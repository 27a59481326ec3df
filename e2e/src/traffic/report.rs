//! What came of a load, and whether that is good enough.
//!
//! Pure: no clock, no I/O. Latency counts from the moment at which a request was meant to leave.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Class;
use crate::quantile::quantile;

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// What was asked.
    pub class: Class,
    /// When it was meant to leave, from the beginning of the run.
    pub due: Duration,
    /// From then to the end of its answer.
    pub took: Duration,
    /// Status; 0 when no whole answer came.
    pub status: u16,
}

impl Sample {
    /// Turned away in words: that is no error of a server that has too much to do.
    fn is_shed(&self) -> bool {
        matches!(self.status, 429 | 503)
    }

    fn is_error(&self) -> bool {
        !(200..400).contains(&self.status) && !self.is_shed()
    }
}

/// A run, or a part of one.
#[derive(Clone, Debug, Default)]
pub struct Report {
    samples: Vec<Sample>,
    lags: Vec<Duration>,
}

/// What a run has to reach.
#[derive(Clone, Copy, Debug)]
pub struct Goals {
    /// Latency that 99 % do not exceed.
    pub p99: Duration,
    /// Latency that 99.9 % do not exceed.
    pub p999: Duration,
    /// Greatest share of errors; a request that was turned away counts as one.
    pub errors: f64,
}

impl Report {
    /// Of these requests, and of how late each left.
    #[must_use]
    pub fn new(samples: Vec<Sample>, lags: Vec<Duration>) -> Self {
        Self { samples, lags }
    }

    /// Takes in those of another run.
    pub fn extend(&mut self, other: Self) {
        self.samples.extend(other.samples);
        self.lags.extend(other.lags);
    }

    /// The requests that were meant to leave from `from` to before `to`.
    #[must_use]
    pub fn between(&self, from: Duration, to: Duration) -> Self {
        self.only(|sample| (from..to).contains(&sample.due))
    }

    /// The requests that `keep` keeps.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&Sample) -> bool) -> Self {
        let samples = self.samples.iter().copied().filter(keep).collect();
        Self::new(samples, self.lags.clone())
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.samples.len()
    }

    /// How many were turned away with 429 or 503.
    #[must_use]
    pub fn shed(&self) -> usize {
        self.samples
            .iter()
            .filter(|sample| sample.is_shed())
            .count()
    }

    /// How many failed otherwise.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.samples
            .iter()
            .filter(|sample| sample.is_error())
            .count()
    }

    /// The latency that `share` (0 to 1) of the requests do not exceed.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        quantile(
            self.samples.iter().map(|sample| sample.took).collect(),
            share,
        )
    }

    /// How late the generator was, likewise.
    #[must_use]
    pub fn lag(&self, share: f64) -> Duration {
        quantile(self.lags.clone(), share)
    }

    /// How long after `from` it is calm to the end: in each second nothing fails, and 99 % are answered
    /// within `most`.
    #[must_use]
    pub fn calm_after(&self, from: Duration, most: Duration) -> Option<Duration> {
        const SECOND: Duration = Duration::from_secs(1);
        let end = self.samples.iter().map(|sample| sample.due).max()?;
        let mut calm = None;
        let mut at = from;
        while at <= end {
            let part = self.between(at, at + SECOND);
            let is_calm = part.errors() + part.shed() == 0 && part.quantile(0.99) <= most;
            calm = is_calm.then(|| calm.unwrap_or(at - from));
            at += SECOND;
        }
        calm
    }

    /// What falls short of `goals`.
    #[must_use]
    pub fn faults(&self, goals: &Goals) -> Vec<String> {
        let mut faults = Vec::new();
        if self.count() == 0 {
            faults.push("nothing was sent".to_owned());
        }
        for (name, share, most) in [("p99", 0.99, goals.p99), ("p99.9", 0.999, goals.p999)] {
            let found = self.quantile(share);
            if found > most {
                faults.push(format!("{name} is {found:?}, more than {most:?}"));
            }
        }
        let failed = ratio(self.errors() + self.shed(), self.count());
        if failed > goals.errors {
            faults.push(format!(
                "{:.3} % failed, more than {:.3} %",
                failed * 100.0,
                goals.errors * 100.0
            ));
        }
        faults
    }

    /// How often each status came; 0 where no whole answer did.
    #[must_use]
    pub fn statuses(&self) -> BTreeMap<u16, usize> {
        let mut found = BTreeMap::new();
        for sample in &self.samples {
            *found.entry(sample.status).or_default() += 1;
        }
        found
    }

    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{} requests, {} errors, {} shed {:?}, p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, generator lag p99 {:.1} ms, at most {:.1} ms",
            self.count(),
            self.errors(),
            self.shed(),
            self.statuses(),
            millis(self.quantile(0.5)),
            millis(self.quantile(0.99)),
            millis(self.quantile(0.999)),
            millis(self.lag(0.99)),
            millis(self.lag(1.0)),
        )
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / (whole.max(1)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOALS: Goals = Goals {
        p99: Duration::from_millis(500),
        p999: Duration::from_millis(900),
        errors: 0.001,
    };

    fn run(slow: usize, slow_ms: u64, failed: usize, status: u16) -> Report {
        let sample = |n: usize| Sample {
            class: Class::Read,
            due: Duration::from_millis(n as u64),
            took: Duration::from_millis(if n < slow { slow_ms } else { 5 }),
            status: if n < failed { status } else { 200 },
        };
        Report::new((0..10_000).map(sample).collect(), Vec::new())
    }

    #[test]
    fn r17_4_a_run_that_is_slower_or_fails_more_than_its_goals_is_at_fault() {
        assert_eq!(run(99, 600, 10, 500).faults(&GOALS), Vec::<String>::new());
        for (report, fault) in [
            (run(150, 600, 0, 0), "p99 is 600ms"),
            (run(20, 1_000, 0, 0), "p99.9 is 1s"),
            (run(0, 0, 11, 500), "0.110 % failed"),
            (run(0, 0, 11, 429), "0.110 % failed"),
            (run(0, 0, 11, 0), "0.110 % failed"),
            (run(0, 0, 11, 401), "0.110 % failed"),
            (Report::default(), "nothing was sent"),
        ] {
            let faults = report.faults(&GOALS);
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].contains(fault), "{faults:?}");
        }
    }

    #[test]
    fn what_is_turned_away_is_told_from_what_fails() {
        let report = run(0, 0, 7, 503);
        assert_eq!((report.shed(), report.errors()), (7, 0));
        let report = run(0, 0, 7, 500);
        assert_eq!((report.shed(), report.errors()), (0, 7));
        assert_eq!(report.statuses(), BTreeMap::from([(200, 9_993), (500, 7)]));
    }

    #[test]
    fn calm_is_what_lasts_to_the_end() {
        let at = |second: u64, ms| Sample {
            class: Class::Read,
            due: Duration::from_millis(second * 1_000 + 500),
            took: Duration::from_millis(ms),
            status: 200,
        };
        let report = Report::new(
            vec![at(0, 900), at(1, 5), at(2, 900), at(3, 5), at(4, 5)],
            Vec::new(),
        );
        let calm = |from| report.calm_after(Duration::from_secs(from), Duration::from_millis(100));
        assert_eq!(calm(0), Some(Duration::from_secs(3)));
        assert_eq!(calm(3), Some(Duration::ZERO));
        let restless = Report::new(vec![at(0, 5), at(1, 900)], Vec::new());
        assert_eq!(
            restless.calm_after(Duration::ZERO, Duration::from_millis(100)),
            None
        );
    }

    #[test]
    fn a_part_of_a_run_is_that_of_its_time() {
        let part = run(0, 0, 0, 0).between(Duration::from_secs(1), Duration::from_secs(3));
        assert_eq!(part.count(), 2_000);
    }
}
