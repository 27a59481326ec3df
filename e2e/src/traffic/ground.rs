//! One process of the release build, with a PostgreSQL that keeps what it commits and a Redis.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use erpgo_test_kit::development::SECRETS;
use erpgo_test_kit::port;
use erpgo_test_kit::postgres::{self, PostgresServer};
use erpgo_test_kit::redis::{self, TestRedis};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use tokio::process::{Child, Command};

use super::mix::Mix;
use super::wire::Wire;
use crate::process::Process;

const EMAIL: &str = "load@example.org";
const PASSWORD: &str = "purple otters juggle kelp";
const PRODUCTS: usize = 1_000;
const READY: Duration = Duration::from_secs(30);
/// As shipped, but for limits: all requests come from one user at one address here. They are counted all
/// the same.
const CONFIG: &str =
    "limits: { login_per_ip: 0, read_per_ip: 10000000, read_per_user: 10000000 }\n";

/// The `n`th has the number `P-n`, as a mix takes it.
const IN_ORDER: &str =
    "SELECT id::text FROM products WHERE sku LIKE 'P-%' ORDER BY substr(sku, 3)::int";

/// The parts, which end with it.
pub struct Ground {
    /// Where the API listens.
    pub api: SocketAddr,
    /// PostgreSQL.
    pub postgres: PostgresServer,
    /// From the start of the process until it was ready; looked at every 20 ms.
    pub ready_after: Duration,
    program: Child,
    /// Mixes made so far: no two make the same products.
    mixes: AtomicU32,
    _redis: TestRedis,
    _folder: tempfile::TempDir,
}

/// What the process has used so far.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Time on a core.
    pub cpu: Duration,
    /// Resident memory.
    pub rss_kib: u64,
    /// Connections to PostgreSQL.
    pub connections: i64,
}

fn binary() -> Result<PathBuf> {
    let root = crate::node::repository().join("target");
    let known = [
        root.join("x86_64-unknown-linux-gnu/release/erpgo"),
        root.join("release/erpgo"),
    ];
    let named = std::env::var_os("ERPGO_RELEASE_BINARY").map(PathBuf::from);
    let mut all = named.into_iter().chain(known);
    all.find(|path| path.is_file())
        .context("no release build of the API: run `cargo build --release -p erpgo`")
}

impl Ground {
    /// Starts all parts with a thousand products in the database.
    ///
    /// # Errors
    /// When there is no release build, or a part does not start.
    pub async fn start() -> Result<Self> {
        let (postgres, redis) = (postgres::durable_server().await, redis::server().await);
        let folder = tempfile::tempdir()?;
        migrate(folder.path(), &postgres.url()).await?;
        fill(&postgres.url()).await?;
        settle().await?;
        let config = folder.path().join("config.yaml");
        std::fs::write(&config, CONFIG)?;
        let (api, metrics) = (port::address(), port::address());
        let log = std::fs::File::create(folder.path().join("log"))?;
        let begun = Instant::now();
        let program = Command::new(binary()?)
            .args(["serve", "--config"])
            .arg(config)
            .env_clear()
            .envs(SECRETS)
            .env("DATABASE_URL", postgres.url())
            .env("REDIS_URL", redis.url())
            .env("ERPGO_LISTEN", api.to_string())
            .env("ERPGO_METRICS_LISTEN", metrics.to_string())
            .stdout(log.try_clone()?)
            .stderr(log)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let mut ground = Self {
            api,
            postgres,
            ready_after: Duration::ZERO,
            program,
            mixes: AtomicU32::new(0),
            _redis: redis,
            _folder: folder,
        };
        ground.is_ready().await?;
        ground.ready_after = begun.elapsed();
        Ok(ground)
    }

    /// Bytes of the program, which is all of the image but for the public certificates.
    ///
    /// # Errors
    /// When there is no release build.
    pub fn program_bytes() -> Result<u64> {
        Ok(std::fs::metadata(binary()?)?.len())
    }

    async fn is_ready(&self) -> Result<()> {
        let limit = Instant::now() + READY;
        loop {
            let answer = self.ask("GET", "/health/ready", "").await;
            if answer.is_ok_and(|(status, _)| status == 200) {
                return Ok(());
            }
            ensure!(
                Instant::now() < limit,
                "the API is not ready after {READY:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Result<(u16, Value)> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut wire = Wire::connect(self.api).await?;
        let answer = wire.exchange(request.as_bytes()).await?;
        Ok((answer.status, serde_json::from_slice(&answer.body)?))
    }

    /// Signs in and learns the products: what a mix needs. A token is good for a quarter of an hour.
    ///
    /// # Errors
    /// When the API does not let the administrator in.
    pub async fn mix(&self) -> Result<Mix> {
        let body = json!({"email": EMAIL, "password": PASSWORD}).to_string();
        let (status, answer) = self.ask("POST", "/api/v1/auth/login", &body).await?;
        ensure!(status == 200, "the sign-in answers {status}: {answer}");
        let token = answer["access_token"].as_str().context("no access token")?;
        let mut database = PgConnection::connect(&self.postgres.url()).await?;
        let products = sqlx::query_scalar(IN_ORDER)
            .fetch_all(&mut database)
            .await?;
        Ok(Mix {
            token: token.to_owned(),
            products,
            run: format!("R{}", self.mixes.fetch_add(1, Ordering::Relaxed)),
        })
    }

    /// What the process has used so far.
    ///
    /// # Errors
    /// When the process has ended.
    pub async fn usage(&self) -> Result<Usage> {
        let process = Process::of_id(self.program.id().context("the API has ended")?);
        let mut database = PgConnection::connect(&self.postgres.admin_url()).await?;
        let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'erpgo'";
        Ok(Usage {
            cpu: process.cpu()?,
            rss_kib: process.memory_kib()?.0,
            connections: sqlx::query_scalar(count).fetch_one(&mut database).await?,
        })
    }
}

async fn migrate(folder: &Path, url: &str) -> Result<()> {
    let account = folder.join("admin");
    std::fs::create_dir(&account)?;
    std::fs::write(account.join("email"), EMAIL)?;
    std::fs::write(account.join("password"), PASSWORD)?;
    let output = Command::new(binary()?)
        .arg("migrate")
        .env_clear()
        .envs(SECRETS)
        .env("DATABASE_URL", url)
        .env("ERPGO_BOOTSTRAP_DIR", account)
        .env("ERPGO_TERMINATION_LOG", folder.join("report"))
        .output()
        .await?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "migrate failed: {complaint}");
    Ok(())
}

async fn fill(url: &str) -> Result<()> {
    let mut database = PgConnection::connect(url).await?;
    sqlx::query(
        "INSERT INTO products (id, sku, name, price, currency, created_at, updated_at)
         SELECT gen_random_uuid(), 'P-' || n, 'Product ' || n, n, 'EUR', now(), now()
         FROM generate_series(0, $1::bigint - 1) n",
    )
    .bind(i64::try_from(PRODUCTS)?)
    .execute(&mut database)
    .await?;
    sqlx::query("ANALYZE products")
        .execute(&mut database)
        .await?;
    Ok(())
}

// What initdb and the filling have not written yet, a commit that counts would wait for.
async fn settle() -> Result<()> {
    let status = Command::new("sync").status().await?;
    ensure!(status.success(), "sync failed");
    Ok(())
}

/// What a run has cost, by the request.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Time on a core, in microseconds.
    pub cpu_micros: f64,
    /// Share of one core that was in use.
    pub cores: f64,
    /// Resident memory at the end.
    pub rss_kib: u64,
    /// Connections to PostgreSQL at the end.
    pub connections: i64,
}

impl Usage {
    /// What was used since `before`, in `took`, for so many requests.
    #[must_use]
    pub fn since(self, before: Self, requests: usize, took: Duration) -> Cost {
        let cpu = self.cpu.saturating_sub(before.cpu).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let requests = requests.max(1) as f64;
        Cost {
            cpu_micros: cpu * 1e6 / requests,
            cores: cpu / took.as_secs_f64().max(0.001),
            rss_kib: self.rss_kib,
            connections: self.connections,
        }
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{:.0} µs of a core each, {:.2} cores in all, RSS {} KiB, {} connections to PostgreSQL",
            self.cpu_micros, self.cores, self.rss_kib, self.connections
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r17_5_what_a_request_costs_is_told_in_time_memory_and_connections() {
        let usage = |cpu| Usage {
            cpu: Duration::from_millis(cpu),
            rss_kib: 30_000,
            connections: 4,
        };
        let cost = usage(1_500).since(usage(500), 10_000, Duration::from_secs(2));
        assert!((cost.cpu_micros - 100.0).abs() < 0.001, "{cost:?}");
        let line = cost.to_string();
        for part in ["100 µs", "0.50 cores", "30000 KiB", "4 connections"] {
            assert!(line.contains(part), "{line}");
        }
    }
}
