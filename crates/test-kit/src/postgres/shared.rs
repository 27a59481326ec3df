//! The shared server of a checkout: started by the first test that needs it, and found by the rest.

use super::cluster::Cluster;
use super::sql;
use crate::process::{self, Process};
use crate::state::{self, State};
use crate::{fail, wait};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// The role that owns every test's database: no superuser, as in production.
pub(crate) const OWNER: &str = "erpgo";

/// The running shared server.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Shared {
    process: Process,
    cluster: Cluster,
}

impl Shared {
    /// The superuser's URL.
    pub(crate) fn admin_url(&self, database: &str) -> String {
        self.cluster.admin_url(database)
    }

    /// A role's URL.
    pub(crate) fn role_url(&self, role: &str, password: &str, database: &str) -> String {
        format!(
            "postgres://{role}:{password}@127.0.0.1:{}/{database}",
            self.cluster.port
        )
    }

    /// The URL of the role that owns the tests' databases.
    pub(crate) fn owner_url(&self, database: &str) -> String {
        self.role_url(OWNER, &self.cluster.password, database)
    }

    /// Where the server listens.
    pub(crate) fn port(&self) -> u16 {
        self.cluster.port
    }
}

/// Finds the shared server or starts it.
pub(crate) async fn shared() -> anyhow::Result<Shared> {
    fail::blocking(|| up(&State::open()?)).await
}

/// Finds the shared server or starts it, under the lock.
pub(crate) fn up(state: &State) -> anyhow::Result<Shared> {
    let _lock = state.lock("postgres")?;
    if let Some(shared) = status(state) {
        return Ok(shared);
    }
    clear(state)?;
    let mut cluster = Cluster::create(&state.fast("pg"))?;
    let log = state.record("postgres.log");
    let mut started = None;
    cluster.start(|cluster| {
        let mut child = process::spawn_logged(cluster.command()?, &log)?;
        started = Some(Process::of(child.id())?);
        cluster.wait_ready(&log, || process::still_running(&mut child))
    })?;
    let process =
        started.ok_or_else(|| anyhow::anyhow!("PostgreSQL did not start; {}", wait::tail(&log)))?;
    let shared = Shared { process, cluster };
    create_owner(&shared)?;
    state::write(&state.record("postgres.json"), &shared)?;
    Ok(shared)
}

/// The shared server, when it runs.
pub(crate) fn status(state: &State) -> Option<Shared> {
    let shared: Shared = state::read(&state.record("postgres.json"))?;
    shared.process.is_alive().then_some(shared)
}

/// Stops the shared server and removes its data.
pub(crate) fn down(state: &State) -> anyhow::Result<()> {
    let _lock = state.lock("postgres")?;
    clear(state)
}

/// Removes what an earlier server left, after making sure that it is gone.
fn clear(state: &State) -> anyhow::Result<()> {
    let record = state.record("postgres.json");
    if let Some(shared) = state::read::<Shared>(&record) {
        shared.process.stop(Signal::QUIT, PATIENCE)?;
    }
    let pid_file = state.fast("pg").join("data/postmaster.pid");
    if let Some(process) = unrecorded(&pid_file) {
        process.stop(Signal::QUIT, PATIENCE)?;
    }
    state::remove_tree(&state.fast("pg"))?;
    let _ = std::fs::remove_file(state.record("postgres.log"));
    let _ = std::fs::remove_file(record);
    Ok(())
}

/// A server whose starter died before it could write the record.
fn unrecorded(pid_file: &std::path::Path) -> Option<Process> {
    let pid = std::fs::read_to_string(pid_file)
        .ok()?
        .lines()
        .next()?
        .trim()
        .parse()
        .ok()?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (name.trim() == "postgres")
        .then(|| Process::of(pid).ok())
        .flatten()
}

fn create_owner(shared: &Shared) -> anyhow::Result<()> {
    let statement = format!(
        "CREATE ROLE {OWNER} LOGIN PASSWORD '{}'",
        shared.cluster.password
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(sql::run(&shared.admin_url("postgres"), &[statement]))
}
