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
    use super::*;

    #[test]
    fn r07_5_the_rate_is_that_of_the_latest_reads() {
        let mut rate = HitRate::default();
        assert_eq!(rate.advance(50, 99), None);
        assert_eq!(rate.advance(90, 100), Some(0.9));
        assert_eq!(rate.advance(100, 200), Some(0.1));
        assert_eq!(rate.advance(100, 201), None);
    }
}
