//! Programs that are built from pinned Go modules: etcd, kube-apiserver, Vault, Helm.
//!
//! The build and its cache belong to `e2e/cluster/bin/tools`; this asks it for a path.

use crate::state;
use anyhow::{Context, bail};
use std::path::PathBuf;
use std::process::Command;

/// The path of a tool; a first call may build it, which takes minutes.
pub fn tool(name: &str) -> anyhow::Result<PathBuf> {
    let script = state::workspace().join("e2e/cluster/bin/tools");
    let output = Command::new(&script).args(["--print", name]).output();
    let output = output.with_context(|| format!("cannot run {}", script.display()))?;
    if !output.status.success() {
        bail!(
            "{} --print {name} failed: {}",
            script.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let printed = String::from_utf8(output.stdout)?;
    let path = PathBuf::from(printed.lines().last().unwrap_or_default().trim());
    if !path.exists() {
        bail!(
            "{} --print {name} names {}, which is not there",
            script.display(),
            path.display()
        );
    }
    Ok(path)
}
