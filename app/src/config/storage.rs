//! Settings of what lies outside the process: secret set, database, Redis, migrations.
//!
//! Owns [`SecretSettings`], [`DatabaseSettings`], [`RedisSettings`] and [`MigrationSettings`]. Only
//! places and bounds: the values of secrets never pass here (I-04).

use std::path::PathBuf;
use std::time::Duration;

use super::reader::Reader;
use crate::cache::DEADLINE;

/// Where the secret set comes from.
#[derive(Clone, Debug)]
pub struct SecretSettings {
    /// Directory that the sidecar renders into.
    pub dir: PathBuf,
    /// Where to acknowledge a generation; none means to nobody.
    pub ack_url: Option<url::Url>,
    /// How long `serve` and `migrate` wait at the start for the first rendered set.
    pub wait: Duration,
}

/// The connection pool.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// Most connections of this process.
    pub max_connections: u32,
    /// Connections that are kept open.
    pub min_connections: u32,
    /// How long a request may wait for one.
    pub acquire_timeout: Duration,
    /// Age at which one is replaced.
    pub max_lifetime: Duration,
    /// Idle time after which one is closed.
    pub idle_timeout: Duration,
}

/// Redis.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// What every key and channel of this installation begins with; it ends with a colon.
    pub prefix: String,
    /// How long a call may take: what comes later counts as no answer. Nobody sets it; where a test counts what
    /// Redis answers, a busy machine may take longer.
    pub deadline: Duration,
}

/// The migrate subcommand.
#[derive(Clone, Debug)]
pub struct MigrationSettings {
    /// How long a statement may wait for a lock.
    pub lock_timeout: Duration,
    /// Whether statements that destroy data may run.
    pub allow_destructive: bool,
}

impl SecretSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            dir: reader.text("secrets.dir", "/var/run/erpgo/secrets").into(),
            ack_url: ack_url(reader),
            wait: reader.duration("secrets.wait", 30, 0..=600),
        }
    }
}

fn ack_url(reader: &mut Reader) -> Option<url::Url> {
    let url: Option<url::Url> = match reader
        .text("secrets.ack_url", "http://127.0.0.1:8791/v1/ack")
        .as_str()
    {
        "none" => return None,
        text => text.parse().ok(),
    };
    let loopback = url.as_ref().is_some_and(|url| {
        matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"))
            && url.scheme() == "http"
    });
    if !loopback {
        reader.fault(
            "secrets.ack_url",
            "must be an http URL on loopback, or none",
        );
    }
    url
}

impl DatabaseSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        // Four a core: beyond that PostgreSQL on such a machine queues inside instead of here.
        let fitting = u32::try_from((cores * 4).clamp(4, 100)).unwrap_or(20);
        let settings = Self {
            max_connections: reader.number("database.max_connections", fitting, 1..=100),
            min_connections: reader.number("database.min_connections", 1, 0..=10),
            acquire_timeout: reader.duration("database.acquire_timeout", 5, 1..=30),
            max_lifetime: reader.duration("database.max_lifetime", 3_600, 10..=3_600),
            idle_timeout: reader.duration("database.idle_timeout", 1_800, 1..=1_800),
        };
        // A default that stands in for what was refused says nothing of the other one.
        let both = !reader.has_refused("database.max_connections")
            && !reader.has_refused("database.min_connections");
        if both && settings.min_connections > settings.max_connections {
            reader.fault(
                "database.min_connections",
                "must not exceed database.max_connections",
            );
        }
        settings
    }
}

impl RedisSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let prefix = reader.text("redis.prefix", "erpgo:");
        let may_stand = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        let names = prefix.len() <= 200 && prefix.ends_with(':') && prefix.chars().all(may_stand);
        if !names {
            reader.fault(
                "redis.prefix",
                "must be at most 200 letters, digits, - . _ and colons, with a colon at the end",
            );
        }
        Self {
            prefix,
            deadline: DEADLINE,
        }
    }
}

impl MigrationSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            lock_timeout: reader.duration("migrations.lock_timeout", 5, 1..=600),
            allow_destructive: reader.flag("migrations.allow_destructive", false),
        }
    }
}
