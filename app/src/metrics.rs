//! Prometheus metrics under the names that alerts and dashboards use.
//!
//! Owns [`METRICS`] and [`encode`]. One registry a process: names and labels are a contract, every
//! label's values are bounded (I-12), and none carries a secret or a user's input (I-04).

use std::sync::LazyLock;

use prometheus::{
    Encoder as _, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

/// The process's metrics.
#[expect(
    clippy::expect_used,
    reason = "names and labels are constants; the test below registers them all"
)]
pub static METRICS: LazyLock<Metrics> =
    LazyLock::new(|| Metrics::new().expect("metric names are valid and distinct"));

/// Request and query durations: 1 ms to 10 s, dense around the 500 ms of the objective.
const SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Every metric.
#[expect(missing_docs, reason = "each field's help text says what it is")]
pub struct Metrics {
    registry: Registry,
    pub requests: IntCounterVec,
    pub request_duration: HistogramVec,
    pub in_flight: IntGauge,
    pub cut_off: IntCounter,
    pub auth_attempts: IntCounterVec,
    pub lockouts: IntCounter,
    pub token_validations: IntCounterVec,
    pub rate_limited: IntCounterVec,
    pub queries: IntCounterVec,
    pub query_duration: HistogramVec,
    pub pool_size: IntGauge,
    pub pool_in_use: IntGauge,
    pub pool_wait: Histogram,
    pub pool_exhausted: IntCounter,
    pub pool_shed: IntCounter,
    pub cache_operations: IntCounterVec,
    pub cache_hit_rate: GaugeVec,
    pub cache_evictions: IntCounter,
    pub users_active: IntGauge,
    pub users_created: IntCounter,
    pub api_keys_active: IntGauge,
    pub secret_generation: IntGauge,
    pub dependency_up: IntGaugeVec,
    pub hash_queue_shed: IntCounter,
    pub mails: IntCounterVec,
    pub mails_waiting: IntGauge,
    pub transactions: IntCounterVec,
    pub redis_duration: HistogramVec,
    pub redis_memory: IntGaugeVec,
    pub cache_entries: IntGauge,
    pub resident_memory: IntGauge,
    pub tasks: IntGauge,
    pub audit_events: IntCounterVec,
    pub audit_pending: IntGauge,
    pub audit_position: IntGauge,
}

impl Metrics {
    #[expect(clippy::too_many_lines, reason = "a list: one entry a metric")]
    fn new() -> Result<Self, prometheus::Error> {
        let make = Maker(Registry::new());
        let build = make.gauges("erpgo_build_info", "Version of this program", &["version"])?;
        build.with_label_values(&[crate::VERSION]).set(1);
        Ok(Self {
            requests: make.counters(
                "http_requests_total",
                "Requests answered, and as 499 those that ended before",
                &["method", "path", "status"],
            )?,
            request_duration: make.histograms(
                "http_request_duration_seconds",
                "Time to answer",
                &["method", "path"],
            )?,
            in_flight: make.gauge("http_requests_in_flight", "Requests being worked on")?,
            cut_off: make.counter(
                "erpgo_answers_cut_off_total",
                "Answers that failed after they had begun",
            )?,
            auth_attempts: make.counters("auth_attempts_total", "Sign-ins tried", &["result"])?,
            lockouts: make.counter("auth_account_lockouts_total", "Identifiers locked")?,
            token_validations: make.counters(
                "auth_token_validations_total",
                "Tokens checked",
                &["result"],
            )?,
            rate_limited: make.counters(
                "erpgo_rate_limited_total",
                "Requests and sign-ins refused by a limit",
                &["limit"],
            )?,
            queries: make.counters("db_queries_total", "Queries run", &["query_type"])?,
            query_duration: make.histograms(
                "db_query_duration_seconds",
                "Time of a query",
                &["query_type"],
            )?,
            pool_size: make.gauge("db_connection_pool_size", "Open connections")?,
            pool_in_use: make.gauge("db_connection_pool_in_use", "Connections in use")?,
            pool_wait: make.histogram(
                "db_connection_pool_wait_duration_seconds",
                "Wait for a connection",
            )?,
            pool_exhausted: make.counter(
                "erpgo_db_pool_exhausted_total",
                "Waits for a connection that ended without one",
            )?,
            pool_shed: make.counter(
                "erpgo_db_pool_shed_total",
                "Requests turned away because too many waited for a connection",
            )?,
            cache_operations: make.counters(
                "cache_operations_total",
                "Cache operations",
                &["operation", "result"],
            )?,
            // By operation, so that there is none before it is known: 0 would be a cache that fails.
            cache_hit_rate: make.fractions(
                "cache_hit_rate",
                "Share of recent cache reads that hit",
                &["operation"],
            )?,
            cache_evictions: make
                .counter("cache_evictions_total", "Entries dropped for space or age")?,
            users_active: make.gauge(
                "users_active_total",
                "Users that may sign in, estimated where there are very many",
            )?,
            users_created: make.counter("users_created_total", "Users created by this process")?,
            api_keys_active: make.gauge(
                "api_keys_active_total",
                "API keys that may be used, estimated where there are very many",
            )?,
            secret_generation: make.gauge(
                "erpgo_secret_set_generation",
                "Generation of the secret set in use",
            )?,
            dependency_up: make.gauges(
                "erpgo_dependency_up",
                "1 while the dependency answers",
                &["dependency"],
            )?,
            hash_queue_shed: make.counter(
                "erpgo_password_hash_shed_total",
                "Hashes refused because the queue was full or slow",
            )?,
            mails: make.counters(
                "erpgo_mails_total",
                "Mails sent, retried, given up (failed) or not taken into a full outbox (dropped)",
                &["kind", "result"],
            )?,
            mails_waiting: make.gauge(
                "erpgo_mails_waiting",
                "Mails in the outbox that wait to be sent",
            )?,
            transactions: make.counters(
                "erpgo_db_transactions_total",
                "Transactions that ended, those whose end is unknown, and tries that met a conflict",
                &["result"],
            )?,
            redis_duration: make.histograms(
                "erpgo_redis_call_duration_seconds",
                "Time of a call to Redis",
                &["operation"],
            )?,
            // Without labels, and yet of those that can be taken back: while Redis is away there is none.
            redis_memory: make.gauges(
                "erpgo_redis_memory_used_bytes",
                "Memory that Redis has in use, all of its keys among it",
                &[],
            )?,
            cache_entries: make.gauge("erpgo_cache_entries", "Sessions and keys held in memory")?,
            resident_memory: make.gauge(
                "process_resident_memory_bytes",
                "Memory of this process that is in RAM",
            )?,
            tasks: make.gauge("erpgo_tasks", "Tasks of the runtime that have not ended")?,
            audit_events: make.counters(
                "erpgo_audit_events_total",
                "Events written to the audit log, those of transactions that were tried again among them",
                &["action"],
            )?,
            audit_pending: make.gauge(
                "erpgo_audit_pending_events",
                "Events that wait for their seal, or were taken out before it, up to a thousand",
            )?,
            audit_position: make.gauge(
                "erpgo_audit_chain_position",
                "Newest link of the audit chain that this process has made",
            )?,
            registry: make.0,
        })
    }
}

struct Maker(Registry);

impl Maker {
    fn register<M: prometheus::core::Collector + Clone + 'static>(
        &self,
        metric: M,
    ) -> Result<M, prometheus::Error> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.register(IntCounter::new(name, help)?)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.register(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.register(IntGauge::new(name, help)?)
    }

    fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn fractions(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<GaugeVec, prometheus::Error> {
        self.register(GaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn histogram(&self, name: &str, help: &str) -> Result<Histogram, prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        self.register(Histogram::with_opts(options)?)
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<HistogramVec, prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        self.register(HistogramVec::new(options, labels)?)
    }
}

/// Every metric in the text format.
///
/// # Errors
/// When a metric cannot be encoded.
pub fn encode() -> Result<Vec<u8>, prometheus::Error> {
    let mut text = Vec::with_capacity(16 * 1024);
    METRICS.resident_memory.set(resident_memory());
    METRICS.tasks.set(tasks());
    TextEncoder::new().encode(&METRICS.registry.gather(), &mut text)?;
    Ok(untyped(&String::from_utf8_lossy(&text)).into_bytes())
}

/// Two gauges have the names of counters, which dashboards of old rely on. Without a type they are
/// neither: nobody takes their rate, and the linters of metrics have nothing to say.
fn untyped(text: &str) -> String {
    NAMED_AS_COUNTERS
        .iter()
        .fold(text.to_owned(), |text, name| {
            text.replace(
                &format!("# TYPE {name} gauge"),
                &format!("# TYPE {name} untyped"),
            )
        })
}

const NAMED_AS_COUNTERS: [&str; 2] = ["users_active_total", "api_keys_active_total"];

/// From `/proc`; zero where there is none.
fn resident_memory() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB"));
    kib.and_then(|kib| kib.trim().parse::<i64>().ok())
        .map_or(0, |kib| kib.saturating_mul(1024))
}

/// Zero where there is no runtime.
fn tasks() -> i64 {
    let runtime = tokio::runtime::Handle::try_current();
    let alive = runtime.map_or(0, |runtime| runtime.metrics().num_alive_tasks());
    i64::try_from(alive).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r11_1_every_metric_registers_under_its_own_name() {
        Metrics::new().unwrap();
        let text = String::from_utf8(encode().unwrap()).unwrap();
        assert!(text.contains("http_requests_in_flight"));
        assert!(text.contains("erpgo_build_info"));
    }
}
