//! What pods tell: the logs of their containers, those that have ended among them, and metrics.
//!
//! Owns which of it must be read: whatever a container that runs has to tell. A search that passed over it
//! would prove nothing.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::Api;
use kube::api::ListParams;

use super::{Canaries, Found, Since};
use crate::Node;
use crate::pod_logs::{folder, folder_of};

/// Names of the ports at which there are metrics.
const PORTS: [&str; 2] = ["metrics", "control"];

/// A log and where it lies.
type Log = (PathBuf, Vec<u8>);

impl Since {
    /// Keeps the logs of the pods of `namespace` whose names begin with `pod`: the kubelet removes those of
    /// containers that were killed after a while, and with a pod all of its logs.
    ///
    /// # Errors
    /// When the node's folder of logs cannot be read.
    pub fn keep(&mut self, node: &Node, namespace: &str, pod: &str) -> Result<()> {
        let logs = read(&folder(node)?, &format!("{namespace}_{pod}"))?;
        self.kept.extend(logs);
        Ok(())
    }
}

impl Canaries {
    /// Searches what the pods of `namespace` tell.
    ///
    /// # Errors
    /// When something that runs there cannot be read.
    pub(super) async fn of_pods(
        &self,
        found: &mut Found,
        node: &Node,
        namespace: &str,
    ) -> Result<()> {
        let logs = read(&folder(node)?, &format!("{namespace}_"))?;
        for (path, log) in &logs {
            self.look(found, &format!("the log {}", path.display()), log);
        }
        let pods: Api<Pod> = Api::namespaced(node.client.clone(), namespace);
        let mut ran = 0;
        for pod in pods.list(&ListParams::default()).await? {
            for container in running(&pod) {
                ran += 1;
                let dir = folder_of(&pod, &container.name);
                let told = logs.iter().any(|(path, _)| path.starts_with(&dir));
                ensure!(told, "no log of {} in {namespace}", dir.display());
                self.of_metrics(found, &pod, &container).await?;
            }
        }
        ensure!(ran > 0, "nothing runs in {namespace}");
        Ok(())
    }

    /// Searches the logs that were kept.
    pub(super) fn of_kept(&self, found: &mut Found, since: &Since) {
        for (path, log) in &since.kept {
            self.look(found, &format!("the former log {}", path.display()), log);
        }
    }

    async fn of_metrics(&self, found: &mut Found, pod: &Pod, container: &Container) -> Result<()> {
        let address = pod.status.as_ref().and_then(|status| status.pod_ip.clone());
        for port in container.ports.iter().flatten() {
            if !port
                .name
                .as_deref()
                .is_some_and(|name| PORTS.contains(&name))
            {
                continue;
            }
            let address = address.as_deref().context("a pod without an address")?;
            let url = format!("http://{address}:{}/metrics", port.container_port);
            let text = metrics(&url).await.with_context(|| url.clone())?;
            let place = format!("metrics of {} at {url}", container.name);
            self.look(found, &place, text.as_bytes());
        }
        Ok(())
    }
}

/// The containers that run in a pod that is not about to go.
fn running(pod: &Pod) -> Vec<Container> {
    let (Some(spec), Some(status)) = (&pod.spec, &pod.status) else {
        return Vec::new();
    };
    if pod.metadata.deletion_timestamp.is_some() {
        return Vec::new();
    }
    let all = [&status.init_container_statuses, &status.container_statuses];
    let runs = |container: &&Container| {
        let mut statuses = all.iter().copied().flatten().flatten();
        statuses.any(|status| {
            let state = status.state.as_ref();
            status.name == container.name && state.is_some_and(|state| state.running.is_some())
        })
    };
    let containers = spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers);
    containers.filter(runs).cloned().collect()
}

async fn metrics(url: &str) -> Result<String> {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()?;
    let answer = client.get(url).send().await?.error_for_status()?;
    Ok(answer.text().await?)
}

/// The logs in `folder` whose paths in it begin with `prefix`, by these paths.
fn read(folder: &Path, prefix: &str) -> Result<Vec<Log>> {
    let mut logs = Vec::new();
    for pod in entries(folder)? {
        let name = pod.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with(prefix) {
            continue;
        }
        for container in entries(&pod)? {
            for path in entries(&container)? {
                let log = bytes(&path)?;
                let path = path.strip_prefix(folder)?.to_owned();
                logs.extend(log.map(|log| (path, log)));
            }
        }
    }
    Ok(logs)
}

// A pod or a file that has gone meanwhile is none.
fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(|| dir.display().to_string())?,
    };
    Ok(entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect())
}

fn bytes(path: &Path) -> Result<Option<Vec<u8>>> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.with_context(|| path.display().to_string())?,
    };
    // What was rotated for its size.
    if path.extension().is_some_and(|end| end == "gz") {
        return unpacked(path);
    }
    Ok(Some(bytes))
}

fn unpacked(path: &Path) -> Result<Option<Vec<u8>>> {
    let output = Command::new("gzip").arg("-dc").arg(path).output()?;
    let is_read = output.status.success() || !path.exists();
    ensure!(is_read, "{}: {:?}", path.display(), output.stderr);
    Ok(Some(output.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_log_of_a_namespace_is_read_with_those_of_before_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("a_shop-1_u/erpgo/0.log", "killed");
        write("a_shop-1_u/erpgo/1.log", "now");
        write("a_shop-1_u/erpgo/1.log.20260102-030405", "before now");
        write("a-b_shop-1_u/erpgo/0.log", "another's");
        let packed = dir.path().join("a_shop-1_u/erpgo/1.log.20260102-030405");
        let gzip = Command::new("gzip").arg(packed).status().unwrap();
        assert!(gzip.success());
        let mut logs = read(dir.path(), "a_").unwrap();
        logs.sort();
        let texts = logs.iter().map(|(_, log)| String::from_utf8_lossy(log));
        assert_eq!(texts.collect::<Vec<_>>(), ["killed", "now", "before now"]);
        assert_eq!(logs[0].0, Path::new("a_shop-1_u/erpgo/0.log"));
        assert_eq!(read(dir.path(), "a_shop-2").unwrap(), []);
        assert_eq!(read(&dir.path().join("none"), "a_").unwrap(), []);
    }

    #[test]
    fn a_container_that_runs_is_asked_and_one_that_has_ended_or_will_go_is_not() {
        let pod = |deletion: Option<&str>| -> Pod {
            serde_json::from_value(json!({
                "metadata": {"name": "shop-1", "namespace": "a", "uid": "u", "deletionTimestamp": deletion},
                "spec": {
                    "initContainers": [{"name": "secrets"}],
                    "containers": [{"name": "erpgo"}, {"name": "ended"}],
                },
                "status": {
                    "initContainerStatuses": [status("secrets", "running")],
                    "containerStatuses": [status("erpgo", "running"), status("ended", "terminated")],
                },
            }))
            .unwrap()
        };
        let names = |pod: &Pod| -> Vec<String> {
            let running = running(pod).into_iter();
            running.map(|container| container.name).collect()
        };
        assert_eq!(names(&pod(None)), ["secrets", "erpgo"]);
        assert_eq!(
            names(&pod(Some("2026-01-02T03:04:05Z"))),
            Vec::<String>::new()
        );
        let dir = folder_of(&pod(None), "erpgo");
        assert_eq!(dir, Path::new("a_shop-1_u/erpgo"));
    }

    fn status(name: &str, state: &str) -> serde_json::Value {
        let state = match state {
            "running" => json!({"running": {}}),
            _ => json!({"terminated": {"exitCode": 0}}),
        };
        json!({"name": name, "ready": true, "restartCount": 0, "image": "i", "imageID": "i", "state": state})
    }
}
