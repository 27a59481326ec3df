//! Whether the figures of a benchmark reach their goals.
//!
//! Owns [`Verdicts`]: each figure is told with what came of it, and what was missed once more at the end,
//! which is how the program fails. It measures nothing, prints nothing, and must never end a run before its
//! last figure.

use std::fmt;

use anyhow::bail;

/// What a figure has to be, in the figure's own unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// Less than this.
    Below(f64),
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

impl Goal {
    /// Whether `figure` reaches it; what is no number never does.
    #[must_use]
    pub fn is_reached_by(self, figure: f64) -> bool {
        match self {
            Self::Below(limit) => figure < limit,
            Self::AtMost(limit) => figure <= limit,
            Self::AtLeast(limit) => figure >= limit,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below(limit) => write!(f, "< {limit}"),
            Self::AtMost(limit) => write!(f, "<= {limit}"),
            Self::AtLeast(limit) => write!(f, ">= {limit}"),
        }
    }
}

/// The verdicts of one run.
#[derive(Debug, Default)]
pub struct Verdicts {
    missed: Vec<String>,
}

impl Verdicts {
    /// `told`, which names the figure and its unit, with `goal` and whether `figure` reaches it.
    #[must_use]
    pub fn judge(&mut self, told: &str, figure: f64, goal: Goal) -> String {
        if goal.is_reached_by(figure) {
            return format!("{told}: reaches its goal ({goal})");
        }
        self.missed.push(format!("{told} ({goal})"));
        format!("{told}: MISSES its goal ({goal})")
    }

    /// How the run ends, once every figure was told.
    ///
    /// # Errors
    /// When a goal was missed, with all that were.
    pub fn end(&self) -> anyhow::Result<()> {
        if !self.missed.is_empty() {
            bail!("goals that are missed:\n  {}", self.missed.join("\n  "));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_at_its_limit_reaches_only_what_includes_it() {
        for (goal, below, at, above) in [
            (Goal::Below(2.0), true, false, false),
            (Goal::AtMost(2.0), true, true, false),
            (Goal::AtLeast(2.0), false, true, true),
        ] {
            let found = [1.9, 2.0, 2.1].map(|figure| goal.is_reached_by(figure));
            assert_eq!(found, [below, at, above], "{goal}");
            assert!(!goal.is_reached_by(f64::NAN), "{goal}");
        }
    }

    #[test]
    fn a_run_without_a_miss_ends_well() {
        let mut verdicts = Verdicts::default();
        let told = verdicts.judge("memory 5.0 MiB", 5.0, Goal::AtMost(6.0));
        assert_eq!(told, "memory 5.0 MiB: reaches its goal (<= 6)");
        assert!(verdicts.end().is_ok());
    }

    #[test]
    fn what_is_missed_is_told_at_once_and_at_the_end_whatever_comes_after_it() {
        let mut verdicts = Verdicts::default();
        let told = verdicts.judge("p99 25.0 ms", 25.0, Goal::Below(25.0));
        assert_eq!(told, "p99 25.0 ms: MISSES its goal (< 25)");
        let told = verdicts.judge("errors 0", 0.0, Goal::AtMost(0.0));
        assert_eq!(told, "errors 0: reaches its goal (<= 0)");
        let told = verdicts.judge("16 % of it", 16.0, Goal::AtLeast(40.0));
        assert_eq!(told, "16 % of it: MISSES its goal (>= 40)");
        let end = verdicts.end().unwrap_err().to_string();
        let expected = "goals that are missed:\n  p99 25.0 ms (< 25)\n  16 % of it (>= 40)";
        assert_eq!(end, expected);
    }
}
