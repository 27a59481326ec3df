//! Share of cache reads that hit, minute by minute (R7.5).
//!
//! Owns [`HitRate`]: a rate over the life of the process would hide a cache that stopped working.

use crate::metrics::METRICS;

/// Fewer reads than this say nothing.
const ENOUGH: u64 = 100;
const LOW: f64 = 0.7;

/// What was counted when it was last looked at.
#[derive(Default)]
pub(super) struct HitRate {
    hits: u64,
    reads: u64,
}

impl HitRate {
    pub(super) fn publish(&mut self) {
        let count = |operation, result| {
            METRICS
                .cache_operations
                .with_label_values(&[operation, result])
                .get()
        };
        let hits = count("session", "hit");
        let reads = hits + count("session", "miss");
        if let Some(rate) = self.advance(hits, reads) {
            METRICS.cache_hit_rate.set(rate);
            if rate < LOW {
                tracing::warn!(hit_rate = rate, "the cache of sessions rarely hits");
            }
        }
    }

    fn advance(&mut self, hits: u64, reads: u64) -> Option<f64> {
        let (new_hits, new_reads) = (hits - self.hits, reads - self.reads);
        if new_reads < ENOUGH {
            return None;
        }
        (self.hits, self.reads) = (hits, reads);
        Some(new_hits as f64 / new_reads as f64)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn r07_5_the_rate_is_that_of_the_latest_reads() {
        let mut rate = HitRate::default();
        assert_eq!(rate.advance(50, 99), None);
        assert_eq!(rate.advance(90, 100), Some(0.9));
        assert_eq!(rate.advance(100, 200), Some(0.1));
        assert_eq!(rate.advance(100, 201), None);
    }

    /// So many that what other tests read is lost in them.
    fn read(hits: u64, misses: u64) {
        for (result, count) in [("hit", hits), ("miss", misses)] {
            let counter = METRICS
                .cache_operations
                .with_label_values(&["session", result]);
            counter.inc_by(count);
        }
    }

    /// What the log says of it.
    fn published(rate: &mut HitRate) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer = Arc::new(file.reopen().unwrap());
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(writer);
        tracing::subscriber::with_default(subscriber.finish(), || rate.publish());
        std::fs::read_to_string(file.path()).unwrap()
    }

    #[test]
    fn r07_5_a_rate_below_seven_in_ten_is_warned_of_and_one_above_is_not() {
        let mut rate = HitRate::default();
        rate.publish();
        for (hits, misses, expected) in [(680_000, 320_000, 0.68), (720_000, 280_000, 0.72)] {
            read(hits, misses);
            let log = published(&mut rate);
            let gauge = METRICS.cache_hit_rate.get();
            assert!((gauge - expected).abs() < 0.001, "{gauge}");
            if expected < LOW {
                assert!(log.contains("WARN") && log.contains("rarely hits"), "{log}");
                assert!(log.contains("hit_rate=0.6"), "{log}");
            } else {
                assert_eq!(log, "");
            }
        }
        // A few reads say nothing, however they end.
        let before = METRICS.cache_hit_rate.get();
        read(0, 10);
        assert_eq!(published(&mut rate), "");
        let unmoved = (METRICS.cache_hit_rate.get() - before).abs() < f64::EPSILON;
        assert!(unmoved, "{before}");
    }
}
