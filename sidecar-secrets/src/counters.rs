//! What is counted, and how it is shown to Prometheus.
//!
//! Owns [`Counters`] and the text of `/metrics`. Labels are fixed words; generations and ages are
//! the only numbers that come from outside.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use erpgo_secret_set::ErrorClass;

use crate::status::Status;

/// A number that only grows.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// An effect that succeeds or fails.
#[derive(Default)]
pub(crate) struct Tried {
    ok: Counter,
    failed: Counter,
}

impl Tried {
    pub(crate) fn count(&self, is_ok: bool) {
        let counter = if is_ok { &self.ok } else { &self.failed };
        counter.add_one();
    }
}

/// Upper bounds in milliseconds, around the second within which a generation is acknowledged.
const BOUNDS: [u64; 9] = [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 60_000];

/// How long something took, over the life of the process.
#[derive(Default)]
pub(crate) struct Histogram {
    // One more than there are bounds: for what took longer.
    buckets: [Counter; BOUNDS.len() + 1],
    millis: AtomicU64,
}

impl Histogram {
    pub(crate) fn observe(&self, took: Duration) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let index = BOUNDS.partition_point(|bound| *bound < millis);
        if let Some(bucket) = self.buckets.get(index) {
            bucket.add_one();
        }
        self.millis.fetch_add(millis, Ordering::Relaxed);
    }
}

/// Every counter of the process.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) reads_rendered: Counter,
    pub(crate) reads_unchanged: Counter,
    reads_failed: [Counter; ErrorClass::ALL.len()],
    pub(crate) logins: Tried,
    pub(crate) renewals: Tried,
    pub(crate) acks: Counter,
    pub(crate) nacks: Counter,
    pub(crate) ack_latency: Histogram,
    pub(crate) refused_connections: Counter,
    pub(crate) refused_requests: Counter,
}

impl Counters {
    pub(crate) fn read_failed(&self, class: ErrorClass) {
        let index = ErrorClass::ALL.iter().position(|each| *each == class);
        if let Some(counter) = index.and_then(|index| self.reads_failed.get(index)) {
            counter.add_one();
        }
    }

    /// The whole of `/metrics`.
    pub(crate) fn text(&self, status: &Status, now: Instant) -> String {
        let mut page = Page(String::with_capacity(4096));
        page.gauge(
            "build_info",
            concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"}"),
            1,
        );
        gauges(&mut page, status, now);
        self.reads(&mut page);
        page.counter("logins_total", "result", &tried(&self.logins));
        page.counter("token_renewals_total", "result", &tried(&self.renewals));
        page.counter(
            "answers_total",
            "verdict",
            &[("ack", self.acks.get()), ("nack", self.nacks.get())],
        );
        page.histogram("ack_seconds", &self.ack_latency);
        let refused = [
            ("connection", self.refused_connections.get()),
            ("request", self.refused_requests.get()),
        ];
        page.counter("refused_total", "what", &refused);
        page.0
    }

    fn reads(&self, page: &mut Page) {
        page.kind("reads_total", "counter");
        page.line(
            "reads_total",
            "{result=\"rendered\",class=\"\"}",
            self.reads_rendered.get(),
        );
        page.line(
            "reads_total",
            "{result=\"unchanged\",class=\"\"}",
            self.reads_unchanged.get(),
        );
        for (class, counter) in ErrorClass::ALL.iter().zip(&self.reads_failed) {
            let labels = format!("{{result=\"failed\",class=\"{}\"}}", class.as_str());
            page.line("reads_total", &labels, counter.get());
        }
    }
}

fn tried(counters: &Tried) -> [(&'static str, u64); 2] {
    [("ok", counters.ok.get()), ("failed", counters.failed.get())]
}

fn gauges(page: &mut Page, status: &Status, now: Instant) {
    let state = status.pod_state(now);
    let acked = status.acked_generation();
    let numbers = [
        (
            "rendered_generation",
            state.rendered_generation.map(|generation| generation.0),
        ),
        ("acked_generation", acked.map(|generation| generation.0)),
        ("last_read_age_seconds", state.backend.last_read_age_seconds),
        ("backend_healthy", Some(u64::from(state.backend.healthy))),
        (
            "set_stale",
            Some(u64::from(state.backend.stale_since.is_some())),
        ),
    ];
    for (name, value) in numbers {
        // A series that does not exist yet says more than a zero that looks like a generation.
        if let Some(value) = value {
            page.gauge(name, "", value);
        }
    }
}

struct Page(String);

impl Page {
    fn kind(&mut self, name: &str, kind: &str) {
        let _ = writeln!(self.0, "# TYPE erpgo_sidecar_{name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: u64) {
        let _ = writeln!(self.0, "erpgo_sidecar_{name}{labels} {value}");
    }

    fn gauge(&mut self, name: &str, labels: &str, value: u64) {
        self.kind(name, "gauge");
        self.line(name, labels, value);
    }

    fn histogram(&mut self, name: &str, histogram: &Histogram) {
        self.kind(name, "histogram");
        let (bucket, mut total) = (format!("{name}_bucket"), 0);
        let bounds = BOUNDS.iter().map(|bound| seconds(*bound));
        for (bound, counter) in bounds.chain(["+Inf".into()]).zip(&histogram.buckets) {
            total += counter.get();
            self.line(&bucket, &format!("{{le=\"{bound}\"}}"), total);
        }
        let sum = seconds(histogram.millis.load(Ordering::Relaxed));
        let _ = writeln!(self.0, "erpgo_sidecar_{name}_sum {sum}");
        self.line(&format!("{name}_count"), "", total);
    }

    fn counter(&mut self, name: &str, label: &str, values: &[(&str, u64)]) {
        self.kind(name, "counter");
        for (word, value) in values {
            self.line(name, &format!("{{{label}=\"{word}\"}}"), *value);
        }
    }
}

/// Milliseconds as seconds, without a float's tail.
fn seconds(millis: u64) -> String {
    let text = format!("{}.{:03}", millis / 1_000, millis % 1_000);
    let text = text.trim_end_matches('0');
    text.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_own_series_and_an_unknown_generation_has_none() {
        let counters = Counters::default();
        counters.read_failed(ErrorClass::Sealed);
        let text = counters.text(&Status::default(), Instant::now());
        assert!(text.contains("erpgo_sidecar_reads_total{result=\"failed\",class=\"sealed\"} 1\n"));
        assert!(text.contains("erpgo_sidecar_reads_total{result=\"failed\",class=\"denied\"} 0\n"));
        assert!(!text.contains("rendered_generation"));
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (_, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }

    #[test]
    fn every_series_is_in_the_guide() {
        let guide = include_str!("../../docs/guides/secret-backends.md");
        let text = Counters::default().text(&Status::default(), Instant::now());
        let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let names: Vec<&str> = kinds.filter_map(|kind| kind.split(' ').next()).collect();
        assert!(names.contains(&"erpgo_sidecar_ack_seconds"), "{names:?}");
        // These appear once there is something to tell.
        let later = [
            "rendered_generation",
            "acked_generation",
            "last_read_age_seconds",
        ];
        let later = later.map(|name| format!("erpgo_sidecar_{name}"));
        for name in names.into_iter().chain(later.iter().map(String::as_str)) {
            assert!(guide.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn a_latency_falls_into_every_bucket_that_is_no_shorter() {
        let counters = Counters::default();
        for millis in [50, 51, 90_000] {
            counters.ack_latency.observe(Duration::from_millis(millis));
        }
        let text = counters.text(&Status::default(), Instant::now());
        for line in [
            "ack_seconds_bucket{le=\"0.05\"} 1",
            "ack_seconds_bucket{le=\"0.1\"} 2",
            "ack_seconds_bucket{le=\"60\"} 2",
            "ack_seconds_bucket{le=\"+Inf\"} 3",
            "ack_seconds_sum 90.101",
            "ack_seconds_count 3",
        ] {
            assert!(text.contains(&format!("erpgo_sidecar_{line}\n")), "{text}");
        }
    }
}
