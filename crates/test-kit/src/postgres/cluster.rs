//! Makes a data directory and runs a server on it, without durability: a test's data may be lost.

use super::install;
use crate::{port, wait};
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const START: Duration = Duration::from_secs(60);

const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    // A database is dropped only once whoever is signing in to it has come to an end.
    "authentication_timeout=5s",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=256MB",
    "checkpoint_timeout=1h",
    "max_connections=500",
    "shared_buffers=64MB",
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_checkpoints=off",
];

/// Stands after the others, and above them.
const DURABLE: &[&str] = &[
    "fsync=on",
    "full_page_writes=on",
    "checkpoint_timeout=5min",
    "max_wal_size=1GB",
    "shared_buffers=256MB",
];

/// How to reach a server, and where its data lies.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Cluster {
    pub(crate) port: u16,
    pub(crate) password: String,
    pub(crate) data: PathBuf,
    /// Whether it keeps what it commits, as a server in use does: for measurements.
    #[serde(default)]
    pub(crate) durable: bool,
}

impl Cluster {
    /// Runs initdb for a new cluster in `dir`, which must not hold one.
    pub(crate) fn create(dir: &Path) -> anyhow::Result<Self> {
        install::create_owned_dir(dir)?;
        let cluster = Self {
            port: port::free()?,
            password: uuid::Uuid::new_v4().simple().to_string(),
            data: dir.join("data"),
            durable: false,
        };
        let password_file = dir.join("password");
        fs::write(&password_file, &cluster.password)?;
        install::give(&password_file)?;
        let mut initdb = install::command("initdb")?;
        initdb.args([
            "--username=postgres",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        ]);
        initdb
            .args(["--no-sync", "--no-instructions"])
            .arg("--pwfile")
            .arg(&password_file);
        let output = initdb
            .arg("--pgdata")
            .arg(&cluster.data)
            .output()
            .context("cannot start initdb")?;
        fs::remove_file(&password_file)?;
        if !output.status.success() {
            bail!(
                "initdb failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(cluster)
    }

    /// The command that runs the server in the foreground.
    pub(crate) fn command(&self) -> anyhow::Result<Command> {
        let mut command = install::command("postgres")?;
        command
            .arg("-D")
            .arg(&self.data)
            .arg("-p")
            .arg(self.port.to_string());
        let durable: &[&str] = if self.durable { DURABLE } else { &[] };
        for setting in SETTINGS.iter().chain(durable) {
            command.arg("-c").arg(setting);
        }
        Ok(command)
    }

    /// Waits until the server accepts connections; `alive` fails when it has ended instead.
    pub(crate) fn wait_ready(
        &self,
        log: &Path,
        mut alive: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        wait::until("starting PostgreSQL", START, log, || {
            alive()?;
            Ok(self.is_ready().then_some(()))
        })
    }

    /// Starts the server by `run`, with another port when its own was taken meanwhile.
    pub(crate) fn start(
        &mut self,
        mut run: impl FnMut(&Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut own = Some(self.port);
        port::retry(|| {
            self.port = own.take().map_or_else(port::free, Ok)?;
            run(self)
        })
    }

    /// The superuser's URL for a database.
    pub(crate) fn admin_url(&self, database: &str) -> String {
        format!(
            "postgres://postgres:{}@127.0.0.1:{}/{database}",
            self.password, self.port
        )
    }

    /// PostgreSQL writes its state into the eighth line of its pid file.
    fn is_ready(&self) -> bool {
        let pid_file = fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
        pid_file
            .lines()
            .nth(7)
            .is_some_and(|status| status.trim() == "ready")
    }
}
