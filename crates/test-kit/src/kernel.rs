//! What the kernel tells of a process.

use std::fmt::Display;

use anyhow::Context;

/// The number in this field of a process' status, such as `VmRSS`, which is in KiB.
///
/// # Errors
/// When the process has ended, and when its status has no such field.
pub fn status(pid: impl Display, field: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mut fields = status.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields
        .find(|(name, _)| *name == field)
        .with_context(|| format!("no {field} in the status of process {pid}"))?;
    let number = value.split_whitespace().next().unwrap_or_default();
    Ok(number.parse()?)
}

/// Resident memory in MiB.
///
/// # Errors
/// When the process has ended.
pub fn rss_mib(pid: u32) -> anyhow::Result<f64> {
    memory_mib(pid, "VmRSS")
}

/// The memory in this field of a process' status, in MiB.
///
/// # Errors
/// When the process has ended, and when its status has no such field.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub fn memory_mib(pid: u32, field: &str) -> anyhow::Result<f64> {
    Ok(status(pid, field)? as f64 / 1024.0)
}
