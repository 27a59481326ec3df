//! The settings: where they come from, what they may be.
//!
//! Owns [`Settings`] and [`load()`]. Environment over file over defaults; every fault is listed at
//! once; a key that nothing reads is a fault. No secret is a setting (I-04): secrets come by the
//! secret set alone.

mod changes;
mod http;
mod limits;
mod load;
mod mail;
mod reader;
mod storage;

use std::path::PathBuf;

pub use self::http::{CorsSettings, HttpSettings, TrustedProxies};
pub use self::limits::{LimitSettings, Rate, RateSettings};
pub use load::{ConfigError, MAX_FILE_BYTES, Sources, load};
pub use mail::{Encryption, MailSettings, SmtpServer};
pub use storage::{DatabaseSettings, MigrationSettings, RedisSettings, SecretSettings};

use std::net::SocketAddr;
use std::time::Duration;

use reader::Reader;

/// Everything that can be set, parsed and in bounds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where `/metrics` listens.
    pub metrics_listen: SocketAddr,
    /// Where the secret set comes from.
    pub secrets: SecretSettings,
    /// The connection pool.
    pub database: DatabaseSettings,
    /// Redis.
    pub redis: RedisSettings,
    /// Requests and responses.
    pub http: HttpSettings,
    /// Cross-origin requests.
    pub cors: CorsSettings,
    /// Tokens and password hashing.
    pub auth: AuthSettings,
    /// Outgoing mail.
    pub mail: MailSettings,
    /// What can change while the process runs.
    pub live: LiveSettings,
    /// Log format.
    pub log_format: LogFormat,
    /// Traces.
    pub tracing: TracingSettings,
    /// How long requests in flight may take to finish at shutdown.
    pub shutdown_drain: Duration,
    /// The audit log.
    pub audit: AuditSettings,
    /// The migrate subcommand.
    pub migrations: MigrationSettings,
}

/// Settings that are reloaded from the file while the process runs (R15.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSettings {
    /// Filter directive, such as `info` or `info,erpgo=debug`.
    pub log_level: String,
    /// Limits of sign-ins and requests.
    pub limits: LimitSettings,
    /// What is switched on.
    pub features: FeatureSettings,
}

/// What can be switched on and off while the process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureSettings {
    /// Whether the document and its page are served.
    pub docs: bool,
}

/// Tokens and password hashing.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// The `iss` of every token.
    pub issuer: String,
    /// Life of an access token.
    pub access_ttl: Duration,
    /// Life of a refresh token.
    pub refresh_ttl: Duration,
    /// How long a used refresh token may be used once more by an honest second tab.
    pub refresh_grace: Duration,
    /// Fewest characters of a password.
    pub password_min_length: usize,
    /// argon2id memory in KiB.
    pub hash_memory_kib: u32,
    /// argon2id passes.
    pub hash_iterations: u32,
    /// Hashes computed at once.
    pub hash_concurrency: usize,
    /// Hashes that may wait for their turn.
    pub hash_queue: usize,
    /// How long one may wait.
    pub hash_deadline: Duration,
}

/// The audit log.
#[derive(Clone, Debug)]
pub struct AuditSettings {
    /// How often what was written is chained.
    pub seal_every: Duration,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people at a terminal.
    Text,
}

/// Traces.
#[derive(Clone, Debug)]
pub struct TracingSettings {
    /// Base URL of an OTLP/HTTP collector; without one nothing is exported.
    pub otlp_endpoint: Option<url::Url>,
    /// Share of traces that are kept when the caller did not decide.
    pub sample_ratio: f64,
}

impl Settings {
    /// Reads every setting; faults are collected in `reader`.
    fn read(reader: &mut Reader) -> Self {
        Self {
            listen: reader.parsed("listen", "0.0.0.0:8080", "an address such as 0.0.0.0:8080"),
            metrics_listen: reader.parsed(
                "metrics_listen",
                "0.0.0.0:9090",
                "an address such as 0.0.0.0:9090",
            ),
            secrets: SecretSettings::read(reader),
            database: DatabaseSettings::read(reader),
            redis: RedisSettings::read(reader),
            http: HttpSettings::read(reader),
            cors: CorsSettings::read(reader),
            auth: AuthSettings::read(reader),
            mail: MailSettings::read(reader),
            live: LiveSettings::read(reader),
            log_format: log_format(reader),
            tracing: TracingSettings::read(reader),
            shutdown_drain: reader.duration("shutdown.drain", 30, 0..=600),
            audit: AuditSettings {
                seal_every: reader.duration("audit.seal_every", 1, 1..=3_600),
            },
            migrations: MigrationSettings::read(reader),
        }
    }
}

fn log_format(reader: &mut Reader) -> LogFormat {
    match reader.text("log.format", "json").as_str() {
        "json" => LogFormat::Json,
        "text" => LogFormat::Text,
        _ => {
            reader.fault("log.format", "must be json or text");
            LogFormat::Json
        }
    }
}

impl LiveSettings {
    fn read(reader: &mut Reader) -> Self {
        let log_level = reader.text("log.level", "info");
        if erpgo_telemetry::check_filter(&log_level).is_err() {
            reader.fault(
                "log.level",
                "must be a level (error, warn, info, debug, trace) or a list such as info,erpgo=debug",
            );
        }
        Self {
            log_level,
            limits: LimitSettings::read(reader),
            features: FeatureSettings {
                docs: reader.flag("features.docs", true),
            },
        }
    }
}

/// Hashes at once where nothing is set: half of the cores, so that a storm of sign-ins leaves the other half to
/// everyone else, and four at the most. Each takes 19 MiB: a pod that sees all cores of a large node would
/// otherwise come to its limit of memory in a storm.
fn hashes_at_once(cores: usize) -> usize {
    (cores / 2).clamp(1, 4)
}

impl AuthSettings {
    fn read(reader: &mut Reader) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            issuer: reader.text("auth.issuer", "erpgo"),
            access_ttl: reader.duration("auth.access_ttl", 15 * 60, 1..=3_600),
            refresh_ttl: reader.duration("auth.refresh_ttl", 7 * 86_400, 60..=90 * 86_400),
            refresh_grace: reader.duration("auth.refresh_grace", 10, 0..=60),
            password_min_length: reader.number("auth.password_min_length", 12, 8..=64),
            // OWASP's floor for argon2id: 19 MiB, two passes, one lane.
            hash_memory_kib: reader.number("auth.hash_memory_kib", 19_456, 8..=1_048_576),
            hash_iterations: reader.number("auth.hash_iterations", 2, 1..=100),
            hash_concurrency: reader.number("auth.hash_concurrency", hashes_at_once(cores), 1..=64),
            hash_queue: reader.number("auth.hash_queue", 32, 0..=10_000),
            hash_deadline: reader.duration("auth.hash_deadline", 2, 1..=30),
        }
    }
}

impl TracingSettings {
    fn read(reader: &mut Reader) -> Self {
        Self {
            otlp_endpoint: reader.optional(
                "tracing.otlp_endpoint",
                "a URL such as http://collector:4318",
            ),
            sample_ratio: reader.number("tracing.sample_ratio", 1.0, 0.0..=1.0),
        }
    }
}

/// Where a settings file is looked for unless told otherwise.
#[must_use]
pub fn default_file() -> PathBuf {
    PathBuf::from("/etc/erpgo/config.yaml")
}

/// What holds when nothing is set.
#[cfg(test)]
pub(crate) fn default_live() -> LiveSettings {
    LiveSettings::read(&mut Reader::new(figment::value::Dict::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_node_hashes_no_more_at_once_than_a_pod_has_memory_for() {
        let at_once = [1, 2, 3, 8, 16, 64, 256].map(hashes_at_once);
        assert_eq!(at_once, [1, 1, 1, 4, 4, 4, 4]);
    }
}
