//! Where secret values may not be: logs, objects, metrics, traces, processes, etcd, the audit log.
//!
//! Owns the reading of each place but of what pods tell, which [`super::pods`] does; only of what was
//! written since the journey began where a file is shared with others.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Canaries, Found};
use crate::{OPERATOR_NAMESPACE, Stage};

const SECRETS: &[u8] = b"/registry/secrets/";

/// What the journey has to read later: the node's logs from where they were when it began, and the logs
/// of containers that will be gone.
pub struct Since {
    lengths: BTreeMap<PathBuf, u64>,
    pub(super) kept: BTreeMap<PathBuf, Vec<u8>>,
}

impl Since {
    /// Notes it.
    ///
    /// # Errors
    /// When the logs cannot be read.
    pub fn now(stage: &Stage) -> Result<Self> {
        let lengths = logs(stage)?.into_iter().map(|path| {
            let length = path.metadata().map_or(0, |file| file.len());
            (path, length)
        });
        Ok(Self {
            lengths: lengths.collect(),
            kept: BTreeMap::new(),
        })
    }
}

impl Canaries {
    /// Searches every place.
    ///
    /// # Errors
    /// When a place cannot be read, or a value is not even found where it belongs.
    pub async fn search(&self, stage: &Stage, since: &Since, traces: &[u8]) -> Result<Found> {
        let mut found = Found::default();
        self.look(&mut found, "traces", traces);
        for namespace in [stage.namespace.as_str(), OPERATOR_NAMESPACE] {
            self.of_pods(&mut found, &stage.node, namespace).await?;
        }
        self.of_kept(&mut found, since);
        self.look(&mut found, "objects", objects(stage)?.as_bytes());
        self.of_processes(&mut found)?;
        self.of_etcd(&mut found, stage)?;
        self.of_node(&mut found, stage, since)?;
        Ok(found)
    }

    // The node's logs, the audit log among them.
    fn of_node(&self, found: &mut Found, stage: &Stage, since: &Since) -> Result<()> {
        let mut tells = false;
        for path in logs(stage)? {
            let from = since.lengths.get(&path).copied().unwrap_or(0);
            let log = tail(&path, from)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // One that has grown too long has the time in its name.
            tells |= name.starts_with("audit") && tells_bodies(&log, &stage.namespace);
            self.look(found, &format!("the node's {name}"), &log);
        }
        ensure!(
            tells,
            "the audit log holds no status of {} as the operator wrote it: run e2e/cluster/bin/up again",
            stage.namespace
        );
        Ok(())
    }

    // Of every container on the node.
    fn of_processes(&self, found: &mut Found) -> Result<()> {
        let mut seen = 0;
        for entry in std::fs::read_dir("/proc")? {
            let path = entry?.path();
            let read = |file: &str| std::fs::read(path.join(file)).unwrap_or_default();
            if !String::from_utf8_lossy(&read("cgroup")).contains("kubepods") {
                continue;
            }
            seen += 1;
            let process = path.display();
            for file in ["environ", "cmdline"] {
                self.look(found, &format!("{process}/{file}"), &read(file));
            }
            let name = String::from_utf8_lossy(&read("comm")).trim().to_owned();
            let holds = matches!(
                name.as_str(),
                "erpgo" | "erpgo-operator" | "sidecar-secrets"
            );
            if holds && !no_core(&String::from_utf8_lossy(&read("limits"))) {
                found.hits.insert(format!("{name} may leave a core dump"));
            }
        }
        ensure!(seen > 0, "no process of a container was found");
        Ok(())
    }

    fn of_etcd(&self, found: &mut Found, stage: &Stage) -> Result<()> {
        let mut beside = Vec::new();
        let mut secrets = Vec::new();
        for (key, value) in etcd(&stage.node.work_dir().join("pki"))? {
            let into = if key.starts_with(SECRETS) {
                &mut secrets
            } else {
                &mut beside
            };
            into.extend_from_slice(&value);
            into.push(b'\n');
        }
        self.look(found, "etcd outside of Secrets", &beside);
        // What finds nothing here would find nothing anywhere.
        let text = String::from_utf8_lossy(&secrets);
        ensure!(
            self.names_in(&text).next().is_some(),
            "no value was found where Secrets lie"
        );
        Ok(())
    }
}

fn no_core(limits: &str) -> bool {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"));
    // A process that has just ended has no limits.
    line.is_none_or(|line| line.split_whitespace().next() == Some("0"))
}

// Everything in the namespace but Secrets, events among it.
fn objects(stage: &Stage) -> Result<String> {
    // Which kinds there are is not told while one that serves some is away.
    let metrics = [
        "wait",
        "apiservice/v1beta1.metrics.k8s.io",
        "--for=condition=Available",
        "--timeout=120s",
    ];
    stage.node.kubectl(&metrics)?;
    let kinds = [
        "api-resources",
        "--namespaced",
        "--verbs=list",
        "-o",
        "name",
    ];
    let kinds = stage.node.kubectl(&kinds)?;
    let kinds: Vec<&str> = kinds.lines().filter(|kind| *kind != "secrets").collect();
    let args = [
        "-n",
        &stage.namespace,
        "get",
        &kinds.join(","),
        "-o",
        "json",
        "--show-managed-fields",
    ];
    let objects = stage.node.kubectl(&args)?;
    ensure!(objects.contains("\"ErpGo\""), "the objects lack the ErpGo");
    Ok(objects)
}

fn etcd(pki: &Path) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let whole =
        json!({"key": STANDARD.encode("/registry/"), "range_end": STANDARD.encode("/registry0")});
    let output = Command::new("curl")
        .args(["-fsS", "-m", "60", "--cacert"])
        .arg(pki.join("etcd-ca.crt"))
        .arg("--cert")
        .arg(pki.join("apiserver-etcd-client.crt"))
        .arg("--key")
        .arg(pki.join("apiserver-etcd-client.key"))
        .args([
            "-d",
            &whole.to_string(),
            "https://127.0.0.1:23790/v3/kv/range",
        ])
        .output()?;
    ensure!(
        output.status.success(),
        "etcd: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let pairs = answer["kvs"].as_array().context("etcd holds nothing")?;
    let decoded = |value: &Value| STANDARD.decode(value.as_str().unwrap_or_default());
    let pairs = pairs
        .iter()
        .map(|pair| Ok((decoded(&pair["key"])?, decoded(&pair["value"])?)));
    pairs.collect()
}

fn logs(stage: &Stage) -> Result<Vec<PathBuf>> {
    let dir = stage.node.work_dir().join("logs");
    let entries = std::fs::read_dir(&dir).with_context(|| dir.display().to_string())?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let paths: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
    let has = |name: &str| paths.iter().any(|path| path.ends_with(name));
    ensure!(
        has("audit.log"),
        "there is no audit log in {}",
        dir.display()
    );
    Ok(paths)
}

// A log that says who wrote and not what would hold no value, whatever was written.
fn tells_bodies(audit: &[u8], namespace: &str) -> bool {
    let lines = audit.split(|byte| *byte == b'\n');
    let mut events = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    events.any(|event| {
        let object = &event["objectRef"];
        object["namespace"] == namespace
            && object["resource"] == "erpgos"
            && object["subresource"] == "status"
            && !event["requestObject"].is_null()
    })
}

fn tail(path: &Path, from: u64) -> Result<Vec<u8>> {
    let mut file = File::open(path)?;
    // A file that is shorter than it was has been begun anew.
    if from <= file.metadata()?.len() {
        file.seek(SeekFrom::Start(from))?;
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_status_with_its_body_shows_that_the_audit_log_has_bodies() {
        let event = |namespace: &str, resource: &str, body: Option<Value>| {
            let object =
                json!({"namespace": namespace, "resource": resource, "subresource": "status"});
            let mut event = json!({"verb": "patch", "objectRef": object});
            if let Some(body) = body {
                event["requestObject"] = body;
            }
            format!("{event}\n")
        };
        let body = || Some(json!({"status": {}}));
        let others = [
            event("a", "erpgos", None),
            event("b", "erpgos", body()),
            event("a", "deployments", body()),
        ]
        .concat();
        assert!(!tells_bodies(others.as_bytes(), "a"));
        let log = others + &event("a", "erpgos", body());
        assert!(tells_bodies(log.as_bytes(), "a"));
    }

    #[test]
    fn of_a_log_the_new_part_is_read_and_all_of_one_that_was_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        std::fs::write(&path, "before, now").unwrap();
        assert_eq!(tail(&path, 8).unwrap(), b"now");
        assert_eq!(tail(&path, 11).unwrap(), b"");
        assert_eq!(tail(&path, 12).unwrap(), b"before, now");
    }
}
