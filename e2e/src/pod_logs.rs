//! Where the kubelet keeps what containers print.
//!
//! Owns the place of each container's logs on this machine, and a file that a journey lays among them: it
//! counts as the container's use of the node's disk.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Pod;
use tempfile::NamedTempFile;

use crate::Node;

/// A file among the logs of a container; it goes with its handle.
pub struct Ballast {
    _file: NamedTempFile,
}

impl Ballast {
    /// Writes so many bytes among the logs of `container`.
    ///
    /// # Errors
    /// When the container has no logs here, or the disk is full.
    pub fn lay(node: &Node, pod: &Pod, container: &str, bytes: u64) -> Result<Self> {
        let dir = folder(node)?.join(folder_of(pod, container));
        let file = NamedTempFile::new_in(&dir).with_context(|| dir.display().to_string())?;
        // A hole would take no room.
        std::io::copy(&mut std::io::repeat(0).take(bytes), &mut file.as_file())?;
        Ok(Self { _file: file })
    }
}

/// The folder of logs that the kubelet was told.
pub(crate) fn folder(node: &Node) -> Result<PathBuf> {
    let path = node.work_dir().join("config/kubelet.yaml");
    let config = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let line = config
        .lines()
        .find_map(|line| line.strip_prefix("podLogsDir: "));
    let folder = line.context("the kubelet has no folder of logs")?;
    Ok(PathBuf::from(folder.trim().trim_matches('"')))
}

// NAMESPACE_POD_UID/CONTAINER
pub(crate) fn folder_of(pod: &Pod, container: &str) -> PathBuf {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let of = &pod.metadata;
    let dir = [part(&of.namespace), part(&of.name), part(&of.uid)].join("_");
    Path::new(&dir).join(container)
}
