//! How long to wait after a failure.
//!
//! Owns the one table from class and count to delay; randomness is an argument.

use std::time::Duration;

/// What kind of failure a reconcile met, as far as the next attempt cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Somebody wrote at the same time: read again soon.
    Soon,
    /// It may pass by itself: doubling delays.
    Backoff,
    /// Only a person can change it, and no watch tells us: a slow poll.
    Slow,
}

const SOON: Duration = Duration::from_secs(1);
const FIRST: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(300);
const SLOW: Duration = Duration::from_secs(60);

/// The delay before attempt number `failures + 1`; `random` is between 0 and 1.
#[must_use]
pub fn delay(retry: Retry, failures: u32, random: f64) -> Duration {
    let base = match retry {
        // Two writers that keep meeting must not spin.
        Retry::Soon if failures < 5 => SOON,
        Retry::Soon | Retry::Backoff => doubled(failures),
        Retry::Slow => SLOW,
    };
    jittered(base, random)
}

fn doubled(failures: u32) -> Duration {
    let factor = 1_u32
        .checked_shl(failures.saturating_sub(1).min(16))
        .unwrap_or(1);
    FIRST.saturating_mul(factor).min(LIMIT)
}

/// `base` with up to a fifth taken off or added, so that many objects do not come back at once.
#[must_use]
pub fn jittered(base: Duration, random: f64) -> Duration {
    base.mul_f64(0.8 + 0.4 * random.clamp(0.0, 1.0))
}

/// A number between 0 and 1; the middle where the system has no randomness.
#[must_use]
pub fn random() -> f64 {
    let mut bytes = [0_u8; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn delays_double_up_to_five_minutes() {
        let seconds: Vec<u64> = (1..=9)
            .map(|n| delay(Retry::Backoff, n, 0.5).as_secs())
            .collect();
        assert_eq!(seconds, [2, 4, 8, 16, 32, 64, 128, 256, 300]);
    }

    #[test]
    fn what_no_watch_tells_of_is_noticed_as_soon_as_the_guide_says() {
        const MINUTES: [&str; 3] = ["five", "six", "seven"];
        let guide = include_str!("../../../docs/guides/rotation.md");
        let latest = jittered(crate::reconcile::AT_REST, 1.0).as_secs_f64() / 60.0;
        let said = (5_u8..).zip(MINUTES).find_map(|(minutes, word)| {
            let said = format!("this is noticed within {word} minutes");
            guide.contains(&said).then(|| f64::from(minutes))
        });
        assert!(
            said.is_some_and(|said| latest <= said && said - latest < 1.0),
            "{said:?}"
        );
    }

    proptest! {
        #[test]
        fn no_delay_is_zero_and_none_exceeds_six_minutes(failures in any::<u32>(), random in any::<f64>()) {
            let random = if random.is_nan() { 0.5 } else { random };
            for retry in [Retry::Soon, Retry::Backoff, Retry::Slow] {
                let delay = delay(retry, failures, random);
                prop_assert!(delay >= Duration::from_millis(800) && delay <= Duration::from_secs(360));
            }
        }
    }
}
