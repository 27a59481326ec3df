//! Share of cache reads that hit, minute by minute (R7.5).
//!
//! Owns [`publish`]: a rate over the life of the process would hide a cache that stopped working, and one rate of
//! all caches would hide the smaller one behind the larger. A rate that is not known must never be told.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::metrics::METRICS;

/// Fewer reads than this say nothing.
const ENOUGH: u64 = 100;
const LOW: f64 = 0.7;
/// What reads a cache: `session` the memory of this process, `get` Redis.
const OPERATIONS: [&str; 2] = [MEMORY, "get"];
/// It holds a session for some seconds: how often it hits follows from how often each user comes, and is no trouble.
const MEMORY: &str = "session";
const EVERY: Duration = Duration::from_secs(60);
/// Whoever looks at a new pod does not wait for a whole minute.
const UNTIL_KNOWN: Duration = Duration::from_secs(10);

/// Publishes the rates, until `stop`.
pub(super) async fn publish(stop: CancellationToken) {
    let mut rates = OPERATIONS.map(HitRate::of);
    let mut known = false;
    loop {
        for rate in &mut rates {
            known |= rate.publish();
        }
        let pause = tokio::time::sleep(if known { EVERY } else { UNTIL_KNOWN });
        if stop.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}

/// What was counted of an operation when it was last looked at.
struct HitRate {
    operation: &'static str,
    hits: u64,
    reads: u64,
}

impl HitRate {
    const fn of(operation: &'static str) -> Self {
        Self {
            operation,
            hits: 0,
            reads: 0,
        }
    }

    /// Whether there was a new rate to publish.
    fn publish(&mut self) -> bool {
        let hits = self.count("hit");
        let reads = hits + self.count("miss");
        let Some(rate) = self.advance(hits, reads) else {
            return false;
        };
        let operation = self.operation;
        let gauge = METRICS.cache_hit_rate.with_label_values(&[operation]);
        gauge.set(rate);
        if rate < LOW && operation != MEMORY {
            tracing::warn!(operation, hit_rate = rate, "a cache rarely hits");
        }
        true
    }

    fn count(&self, result: &str) -> u64 {
        let labels = [self.operation, result];
        METRICS.cache_operations.with_label_values(&labels).get()
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
        let mut rate = HitRate::of("session");
        assert_eq!(rate.advance(50, 99), None);
        assert_eq!(rate.advance(90, 100), Some(0.9));
        assert_eq!(rate.advance(100, 200), Some(0.1));
        assert_eq!(rate.advance(100, 201), None);
    }

    /// So many that what other tests read is lost in them.
    fn read(operation: &str, hits: u64, misses: u64) {
        for (result, count) in [("hit", hits), ("miss", misses)] {
            let counter = METRICS
                .cache_operations
                .with_label_values(&[operation, result]);
            counter.inc_by(count);
        }
    }

    fn gauge(operation: &str) -> f64 {
        let gauge = METRICS.cache_hit_rate.with_label_values(&[operation]);
        gauge.get()
    }

    /// Whether a rate was published, and what the log says of it.
    fn published(rate: &mut HitRate) -> (bool, String) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer = Arc::new(file.reopen().unwrap());
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(writer);
        let new = tracing::subscriber::with_default(subscriber.finish(), || rate.publish());
        (new, std::fs::read_to_string(file.path()).unwrap())
    }

    #[test]
    fn r07_5_a_rate_of_redis_below_seven_in_ten_is_warned_of_and_no_other_is() {
        for operation in OPERATIONS {
            let mut rate = HitRate::of(operation);
            rate.publish();
            for (hits, misses, expected) in [(680_000, 320_000, 0.68), (720_000, 280_000, 0.72)] {
                read(operation, hits, misses);
                let (new, log) = published(&mut rate);
                assert!(new);
                let gauge = gauge(operation);
                assert!((gauge - expected).abs() < 0.001, "{gauge}");
                if expected < LOW && operation == "get" {
                    assert!(log.contains("WARN") && log.contains("rarely hits"), "{log}");
                    assert!(log.contains("hit_rate=0.6"), "{log}");
                    assert!(log.contains(&format!("operation=\"{operation}\"")), "{log}");
                } else {
                    assert_eq!(log, "", "{operation}");
                }
            }
            // A few reads say nothing, however they end.
            let before = gauge(operation);
            read(operation, 0, 10);
            assert_eq!(published(&mut rate), (false, String::new()));
            let unmoved = (gauge(operation) - before).abs() < f64::EPSILON;
            assert!(unmoved, "{before}");
        }
    }

    /// As many hits as the memory of the process may have: not one of them is of Redis.
    #[test]
    fn r07_5_a_redis_that_never_hits_is_told_beside_a_memory_that_always_does() {
        // Of their own, since others read the real ones meanwhile.
        let (mut good, mut bad) = (HitRate::of("always"), HitRate::of("never"));
        read("always", 1_000_000, 0);
        read("never", 0, 100);
        assert_eq!(published(&mut good), (true, String::new()));
        let (new, log) = published(&mut bad);
        assert!(
            new && log.contains("operation=\"never\" hit_rate=0"),
            "{log}"
        );
        let rates = [gauge("always"), gauge("never")];
        assert_eq!(
            rates.map(|rate| rate.to_bits()),
            [1.0_f64, 0.0].map(f64::to_bits)
        );
    }
}
