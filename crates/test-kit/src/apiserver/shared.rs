//! The shared cluster of a checkout: started by the first test that needs it, and found by the rest.

use super::access::Access;
use super::control_plane::ControlPlane;
use crate::process::{self, Process};
use crate::state::{self, State};
use crate::{port, wait};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// What later test processes need. It is written with the first process, and completed at the end,
/// so that a start that was interrupted is cleaned up.
#[derive(Deserialize, Serialize)]
struct Record {
    processes: Vec<Process>,
    access: Option<Access>,
}

/// Finds the shared cluster or starts it, under the lock.
pub(crate) fn up(state: &State) -> anyhow::Result<Access> {
    let _lock = state.lock("apiserver")?;
    if let Some(access) = status(state) {
        return Ok(access);
    }
    port::retry(|| start(state))
}

/// The shared cluster, when all of it runs.
pub(crate) fn status(state: &State) -> Option<Access> {
    let record: Record = state::read(&state.record("apiserver.json"))?;
    record
        .access
        .filter(|_| record.processes.iter().all(|process| process.is_alive()))
}

/// Stops the shared cluster and removes its data.
pub(crate) fn down(state: &State) -> anyhow::Result<()> {
    let _lock = state.lock("apiserver")?;
    clear(state)
}

fn start(state: &State) -> anyhow::Result<Access> {
    clear(state)?;
    let plane = ControlPlane::create(&state.data("apiserver"))?;
    let mut record = Record {
        processes: Vec::new(),
        access: None,
    };
    let (etcd_log, api_log) = (state.record("etcd.log"), state.record("apiserver.log"));
    let mut etcd = launch(state, &mut record, plane.etcd_command()?, &etcd_log)?;
    plane.wait_etcd(&etcd_log, || process::still_running(&mut etcd))?;
    let mut api = launch(state, &mut record, plane.apiserver_command()?, &api_log)?;
    plane.wait_api(&api_log, || process::still_running(&mut api))?;
    record.access = Some(plane.access().clone());
    state::write(&state.record("apiserver.json"), &record)?;
    Ok(plane.access().clone())
}

fn launch(
    state: &State,
    record: &mut Record,
    command: Command,
    log: &Path,
) -> anyhow::Result<std::process::Child> {
    let child = process::spawn_logged(command, log)?;
    let process = Process::of(child.id()).map_err(|error| error.context(wait::tail(log)))?;
    record.processes.push(process);
    state::write(&state.record("apiserver.json"), record)?;
    Ok(child)
}

fn clear(state: &State) -> anyhow::Result<()> {
    let path = state.record("apiserver.json");
    let record: Option<Record> = state::read(&path);
    // The API server first: without etcd it would wait for it before it ends.
    for process in record
        .iter()
        .flat_map(|record| record.processes.iter().rev())
    {
        process.stop(Signal::KILL, PATIENCE)?;
    }
    state::remove_tree(&state.data("apiserver"))?;
    for leftover in [
        state.record("etcd.log"),
        state.record("apiserver.log"),
        path,
    ] {
        let _ = std::fs::remove_file(leftover);
    }
    Ok(())
}
