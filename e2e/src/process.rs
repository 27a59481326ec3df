//! Processes of containers, which share the machine's process table.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use erpgo_test_kit::kernel;

/// What /proc counts processor time in, on every Linux there is for user programs.
const TICKS_PER_SECOND: u64 = 100;

/// A container's process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process(PathBuf);

impl Process {
    /// The process called `name` in the pod with this uid.
    ///
    /// # Errors
    /// When there is none.
    pub fn of_pod(uid: &str, name: &str) -> Result<Self> {
        let ours = |process: &Path| {
            let read = |file: &str| std::fs::read_to_string(process.join(file)).unwrap_or_default();
            // The kernel keeps 15 characters of a name, and none of a process that has just ended.
            let comm = read("comm");
            let comm = comm.trim_end();
            read("cgroup").contains(uid) && !comm.is_empty() && name.starts_with(comm)
        };
        std::fs::read_dir("/proc")?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.join("cgroup").exists())
            .find(|path| ours(path))
            .map(Self)
            .with_context(|| format!("no process {name} in the pod {uid}"))
    }

    /// The process with this number.
    #[must_use]
    pub fn of_id(id: u32) -> Self {
        Self(Path::new("/proc").join(id.to_string()))
    }

    /// The time that it has spent on a core.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(self.0.join("stat"))?;
        // The name in parentheses may hold blanks; user and system time are the 14th and 15th field.
        let (_, fields) = stat.rsplit_once(')').context("stat of a process")?;
        let ticks = fields.split_ascii_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.map(|field| field.parse().unwrap_or(0)).sum();
        Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    }

    /// Ends it without notice.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn kill(&self) -> Result<()> {
        self.signal("-KILL")
    }

    /// Holds it still: it answers nobody and does not end.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn freeze(&self) -> Result<()> {
        self.signal("-STOP")
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let id = self.id();
        let status = Command::new("kill").args([signal, &id]).status()?;
        ensure!(status.success(), "kill {signal} {id} failed");
        Ok(())
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> String {
        let name = self.0.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Resident memory in KiB, and the greatest it ever was.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn memory_kib(&self) -> Result<(u64, u64)> {
        let field = |name: &str| kernel::status(self.id(), name);
        Ok((field("VmRSS")?, field("VmHWM")?))
    }
}
