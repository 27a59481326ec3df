//! Processes that belong to one test: killed on drop, and swept when their owner died without it.

use crate::process::{self, Process};
use crate::state::{self, State};
use anyhow::Context;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// One private process with its directory.
#[derive(Debug)]
pub(crate) struct Private {
    record: PathBuf,
    dir: PathBuf,
    log: PathBuf,
    child: Option<Child>,
}

/// What a later test process needs to clean up after a dead one.
#[derive(Deserialize, Serialize)]
struct Record {
    owner: Process,
    process: Option<Process>,
    dir: PathBuf,
}

impl Private {
    /// Sweeps what dead owners left, and makes a directory for a process of this `kind`.
    pub(crate) fn new(kind: &str) -> anyhow::Result<Self> {
        Self::create(kind, State::data)
    }

    /// The same with a directory in memory, where there is enough, for a process that stores all the time.
    pub(crate) fn in_memory(kind: &str) -> anyhow::Result<Self> {
        Self::create(kind, State::fast)
    }

    fn create(kind: &str, place: fn(&State, &str) -> PathBuf) -> anyhow::Result<Self> {
        let state = State::open()?;
        let records = state.record("private");
        fs::create_dir_all(&records)?;
        sweep(&records);
        let id = format!("{kind}-{}", uuid::Uuid::new_v4().simple());
        let dir = place(&state, &id);
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let private = Self {
            record: records.join(format!("{id}.json")),
            log: dir.join("log"),
            dir,
            child: None,
        };
        private.write_record()?;
        Ok(private)
    }

    /// The directory of the process, removed on drop.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file that receives its output.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Starts the process; one that still runs is an error of the caller and is killed first.
    pub(crate) fn spawn(&mut self, command: Command) -> anyhow::Result<()> {
        self.kill();
        self.child = Some(process::spawn_logged(command, &self.log)?);
        self.write_record()
    }

    /// The running child, for conditions that watch whether it has ended.
    pub(crate) fn still_running(&mut self) -> anyhow::Result<()> {
        process::still_running(self.child.as_mut().context("the process was not started")?)
    }

    /// Whether the process runs.
    pub(crate) fn runs(&self) -> bool {
        self.process().is_some()
    }

    /// Sends a signal to the process, when it runs.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        self.process()
            .map_or(Ok(()), |process| process.signal(signal))
    }

    /// Stops the process with `signal` and returns when it is gone.
    pub(crate) fn stop(&mut self, signal: Signal) -> anyhow::Result<()> {
        if let Some(process) = self.process() {
            process.signal(Signal::CONT)?;
            process.stop(signal, PATIENCE)?;
        }
        self.kill();
        Ok(())
    }

    fn process(&self) -> Option<Process> {
        Process::of(self.child.as_ref()?.id()).ok()
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only when the process is gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn write_record(&self) -> anyhow::Result<()> {
        let record = Record {
            owner: Process::current()?,
            process: self.process(),
            dir: self.dir.clone(),
        };
        state::write(&self.record, &record)
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        self.kill();
        // A directory that stays is found by the next sweep, through its record.
        if state::remove_tree(&self.dir).is_ok() {
            let _ = fs::remove_file(&self.record);
        }
    }
}

/// Stops every private process whose owner is dead, and removes what it left.
pub(crate) fn sweep(records: &Path) {
    for entry in fs::read_dir(records).into_iter().flatten().flatten() {
        let path = entry.path();
        let Some(record) = state::read::<Record>(&path) else {
            continue;
        };
        if record.owner.is_alive() {
            continue;
        }
        let stopped = record
            .process
            .is_none_or(|process| process.stop(Signal::KILL, PATIENCE).is_ok());
        if stopped && state::remove_tree(&record.dir).is_ok() {
            // Another process may sweep at the same time.
            let _ = fs::remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of a running `sleep` with this owner.
    fn record(records: &Path, owner: Process) -> (Record, PathBuf, Child) {
        let dir = records.join("data");
        fs::create_dir_all(&dir).unwrap();
        let mut sleep = Command::new("sleep");
        sleep.arg("600");
        let child = process::spawn_logged(sleep, &dir.join("log")).unwrap();
        let process = Process::of(child.id()).unwrap();
        let path = records.join("sleep.json");
        let record = Record {
            owner,
            process: Some(process),
            dir,
        };
        state::write(&path, &record).unwrap();
        (record, path, child)
    }

    #[test]
    fn what_a_dead_owner_left_is_stopped_and_removed() {
        let records = tempfile::tempdir().unwrap();
        let (pid, started) = Process::current().unwrap().parts();
        // The number runs, with another start: it was used again.
        let dead = Process::from_parts(pid.unsigned_abs().into(), started - 1).unwrap();
        let (record, path, mut child) = record(records.path(), dead);
        sweep(records.path());
        assert!(!record.process.unwrap().is_alive());
        child.wait().unwrap();
        assert!(!record.dir.exists() && !path.exists());
    }

    #[test]
    fn what_belongs_to_a_living_owner_is_left_alone() {
        let records = tempfile::tempdir().unwrap();
        let (record, path, mut child) = record(records.path(), Process::current().unwrap());
        sweep(records.path());
        let process = record.process.unwrap();
        assert!(process.is_alive() && record.dir.exists() && path.exists());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
