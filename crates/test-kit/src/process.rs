//! Processes by number and start time, so that a recycled number is never taken for the old process.

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A process that once ran, and may still.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Process {
    pid: i32,
    started: u64,
}

impl Process {
    /// The running process with this number.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let pid = i32::try_from(pid)?;
        let started = start_time(pid).with_context(|| format!("process {pid} is gone"))?;
        Ok(Self { pid, started })
    }

    /// This very process.
    pub(crate) fn current() -> anyhow::Result<Self> {
        Self::of(std::process::id())
    }

    /// Number and start time, to be kept in a name.
    pub(crate) fn parts(self) -> (i32, u64) {
        (self.pid, self.started)
    }

    /// The process that [`Self::parts`] told, when the number can be one.
    pub(crate) fn from_parts(pid: u64, started: u64) -> Option<Self> {
        Some(Self {
            pid: i32::try_from(pid).ok()?,
            started,
        })
    }

    /// Whether it still runs; a zombie does not.
    pub(crate) fn is_alive(self) -> bool {
        start_time(self.pid) == Some(self.started)
    }

    /// Sends a signal; a process that is gone is fine.
    pub(crate) fn signal(self, signal: Signal) -> anyhow::Result<()> {
        let Some(pid) = Pid::from_raw(self.pid).filter(|_| self.is_alive()) else {
            return Ok(());
        };
        match kill_process(pid, signal) {
            Err(error) if error != rustix::io::Errno::SRCH => {
                Err(error).with_context(|| format!("cannot signal process {}", self.pid))
            }
            _ => Ok(()),
        }
    }

    /// Stops it: `signal` first, and SIGKILL when it is still there after `patience`.
    pub(crate) fn stop(self, signal: Signal, patience: Duration) -> anyhow::Result<()> {
        self.signal(signal)?;
        if self.is_gone_within(patience) {
            return Ok(());
        }
        self.signal(Signal::KILL)?;
        if !self.is_gone_within(Duration::from_secs(10)) {
            bail!("process {} survives SIGKILL", self.pid);
        }
        Ok(())
    }

    fn is_gone_within(self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.is_alive() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

impl std::fmt::Display for Process {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "pid {}", self.pid)
    }
}

/// The kernel's start time of a process that is neither gone nor a zombie.
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold blanks and parentheses itself.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Starts `command` with its output appended to `log`, in a process group of its own so that an
/// interrupt of the test run reaches the tests alone.
pub(crate) fn spawn_logged(mut command: Command, log: &Path) -> anyhow::Result<Child> {
    let output = File::options().create(true).append(true).open(log);
    let output = output.with_context(|| format!("cannot open {}", log.display()))?;
    if command.get_current_dir().is_none() {
        command.current_dir("/");
    }
    command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    let program = command.get_program().to_string_lossy().into_owned();
    command
        .spawn()
        .with_context(|| format!("cannot start {program}"))
}

/// Fails when `child` has ended, which a server that is being waited for must not.
pub(crate) fn still_running(child: &mut Child) -> anyhow::Result<()> {
    match child.try_wait()? {
        Some(status) => bail!("the process ended with {status}"),
        None => Ok(()),
    }
}
