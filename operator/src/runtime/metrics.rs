//! The operator's own metrics.
//!
//! Owns [`Metrics`]. Every label comes from a fixed list in the code, but for the namespace and name of
//! an `ErpGo` that is looked after: those series go with it, so that their number is bounded (I-12).

use std::time::Duration;

use prometheus::{
    Encoder as _, Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is as wanted.
    Settled,
    /// Something is on its way.
    Waiting,
    /// It failed and is tried again.
    Failed,
}

impl Outcome {
    const fn label(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
        }
    }
}

/// The counters.
pub struct Metrics {
    registry: Registry,
    reconciles: IntCounterVec,
    duration: Histogram,
    errors: IntCounterVec,
    writes: IntCounterVec,
    watch_errors: IntCounterVec,
    secret_age: IntGaugeVec,
    rotation_step: IntGaugeVec,
    rotation_fault: IntGaugeVec,
    rotation_duration: Histogram,
    queue_depth: IntGauge,
    leader: IntGauge,
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// When two metrics share a name, which a test rules out.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, label: &str| {
            let vec = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(vec.clone()))?;
            Ok::<_, prometheus::Error>(vec)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let [rotation_step, rotation_fault] = of_rotations(&registry)?;
        let metrics = Self {
            reconciles: counters(
                "erpgo_operator_reconciles_total",
                "Reconciles by result.",
                "result",
            )?,
            duration: histogram(
                &registry,
                "erpgo_operator_reconcile_duration_seconds",
                "Time that a reconcile took.",
            )?,
            errors: counters("erpgo_operator_errors_total", "Failures by class.", "error")?,
            writes: counters(
                "erpgo_operator_writes_total",
                "Writes to the cluster or the secret backend by kind of object.",
                "kind",
            )?,
            watch_errors: counters(
                "erpgo_operator_watch_errors_total",
                "Watches that broke and were begun again, by kind of object.",
                "kind",
            )?,
            secret_age: of_each(
                &registry,
                "erpgo_secret_age_seconds",
                "Age of the current version of a key, when its ErpGo was last looked at.",
                &["namespace", "erpgo", "key"],
            )?,
            rotation_step,
            rotation_fault,
            rotation_duration: histogram(
                &registry,
                "erpgo_rotation_duration_seconds",
                "Time from the begin of a rotation until every pod uses the new versions.",
            )?,
            queue_depth: gauge(
                "erpgo_operator_queue_depth",
                "ErpGo objects that are due and wait for their turn.",
            )?,
            leader: gauge("erpgo_operator_leader", "1 while this process leads.")?,
            registry: registry.clone(),
        };
        build_info(&registry)?;
        Ok(metrics)
    }

    /// Counts a reconcile.
    pub fn reconciled(&self, outcome: Outcome, took: Duration) {
        self.reconciles.with_label_values(&[outcome.label()]).inc();
        self.duration.observe(took.as_secs_f64());
    }

    /// Counts a failure under its fixed label.
    pub fn failed(&self, label: &'static str) {
        self.errors.with_label_values(&[label]).inc();
    }

    /// Notes how old a key of an `ErpGo` is.
    pub fn set_secret_age(&self, namespace: &str, name: &str, key: &'static str, seconds: i64) {
        let age = self.secret_age.with_label_values(&[namespace, name, key]);
        age.set(seconds);
    }

    /// Notes how far a rotation is.
    pub fn set_rotation_step(&self, namespace: &str, name: &str, step: i64) {
        self.rotation_step
            .with_label_values(&[namespace, name])
            .set(step);
    }

    /// Notes whether it waits for longer than it should.
    pub fn set_rotation_fault(&self, namespace: &str, name: &str, fault: bool) {
        self.rotation_fault
            .with_label_values(&[namespace, name])
            .set(i64::from(fault));
    }

    /// Notes how long a rotation took.
    pub fn rotated(&self, took: Duration) {
        self.rotation_duration.observe(took.as_secs_f64());
    }

    /// Drops the series of an `ErpGo` that is gone, with the keys that it may have had.
    pub fn forget(&self, namespace: &str, name: &str, keys: &[&'static str]) {
        // An error says that there was no such series.
        for gauge in [&self.rotation_step, &self.rotation_fault] {
            let _ = gauge.remove_label_values(&[namespace, name]);
        }
        for key in keys {
            self.forget_secret_age(namespace, name, key);
        }
    }

    /// Forgets the age of a key that is no more: it would grow old in the last report.
    pub fn forget_secret_age(&self, namespace: &str, name: &str, key: &str) {
        let _ = self.secret_age.remove_label_values(&[namespace, name, key]);
    }

    /// Counts a write of an object of `kind`, which is one of the owned kinds.
    pub fn wrote(&self, kind: &'static str) {
        self.writes.with_label_values(&[kind]).inc();
    }

    /// Counts a watch that broke.
    pub fn watch_failed(&self, kind: &'static str) {
        self.watch_errors.with_label_values(&[kind]).inc();
    }

    /// Notes the depth of the queue.
    pub fn set_queue_depth(&self, depth: usize) {
        self.queue_depth
            .set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    /// Notes whether this process leads.
    pub fn set_leader(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Writes of `kind` so far.
    #[must_use]
    pub fn writes(&self, kind: &'static str) -> u64 {
        self.writes.with_label_values(&[kind]).get()
    }

    /// Everything in the text format of Prometheus.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = Vec::new();
        // Encoding into memory fails only on a metric without samples, and each has one.
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut out) {
            tracing::warn!(%error, "metrics could not be encoded");
        }
        String::from_utf8(out).unwrap_or_default()
    }
}

/// How far a rotation is, and whether it waits for longer than it should.
fn of_rotations(registry: &Registry) -> Result<[IntGaugeVec; 2], prometheus::Error> {
    let gauge = |name, help| of_each(registry, name, help, &["namespace", "erpgo"]);
    Ok([
        gauge(
            "erpgo_rotation_step",
            "0 no rotation, 1 begun, 2 staged, 3 promoted, 4 being rolled back.",
        )?,
        gauge(
            "erpgo_rotation_fault",
            "1 while a rotation or a removed version waits for longer than it should.",
        )?,
    ])
}

fn of_each(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntGaugeVec, prometheus::Error> {
    let vec = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(vec.clone()))?;
    Ok(vec)
}

fn histogram(registry: &Registry, name: &str, help: &str) -> Result<Histogram, prometheus::Error> {
    let opts = HistogramOpts::new(name, help).buckets(vec![
        0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    ]);
    let histogram = Histogram::with_opts(opts)?;
    registry.register(Box::new(histogram.clone()))?;
    Ok(histogram)
}

fn build_info(registry: &Registry) -> Result<(), prometheus::Error> {
    let opts = Opts::new(
        "erpgo_operator_build_info",
        "Always 1; the label tells the version.",
    );
    let info = IntGaugeVec::new(opts, &["version"])?;
    info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    registry.register(Box::new(info))
}
