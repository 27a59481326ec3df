//! The operator as a person meets it on the node: its pod, its metrics and its program. What a sidecar
//! measures is read in the same way.
//!
//! Owns what a journey asks of it directly. What it makes of an `ErpGo` is read from the cluster.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams};

use crate::{Node, until};

/// The namespace of the operator.
pub const OPERATOR_NAMESPACE: &str = "erpgo-system";
/// The process, the program, and how its pods' names begin.
pub const OPERATOR: &str = "erpgo-operator";

const SELECTOR: &str = "app.kubernetes.io/name=erpgo-operator";
const METRICS: u16 = 8081;
/// From the end of one pod until another runs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a program's `/metrics` said at one time.
pub struct Metrics(String);

impl Metrics {
    /// What is said now at `url`.
    pub(crate) async fn at(url: &str) -> Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .build()?;
        let answer = client.get(url).send().await?.error_for_status()?;
        Ok(Self(answer.text().await?))
    }

    /// The value of the series `name` that has each of `labels`.
    #[must_use]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\""));
        let labels: Vec<String> = labels.collect();
        let is_it = |series: &str| {
            series.split('{').next() == Some(name)
                && labels.iter().all(|label| series.contains(label))
        };
        let mut series = self.0.lines().filter_map(|line| line.rsplit_once(' '));
        let (_, value) = series.find(|(series, _)| is_it(series))?;
        value.parse().ok()
    }
}

impl Node {
    /// What the operator measures.
    ///
    /// # Errors
    /// When it has no pod, or that does not answer.
    pub async fn operator_metrics(&self) -> Result<Metrics> {
        let pod = self.operator_pods().await?.into_iter().next();
        let address = pod.and_then(|pod| pod.status?.pod_ip);
        let url = format!(
            "http://{}:{METRICS}/metrics",
            address.context("the operator has no address")?
        );
        Metrics::at(&url).await
    }

    /// Another pod takes the place of the operator's: the kubelet would start a container that dies again
    /// and again only after minutes.
    ///
    /// # Errors
    /// When the other one does not run in time.
    pub async fn replace_operator(&self) -> Result<()> {
        let pods = self.pods_of_the_operator();
        let name = |pod: &Pod| pod.metadata.name.clone().unwrap_or_default();
        let old: Vec<String> = self.operator_pods().await?.iter().map(name).collect();
        for name in &old {
            pods.delete(name, &DeleteParams::default()).await?;
        }
        until("another operator", PATIENCE, || async {
            let now = self.operator_pods().await?;
            let is_new = matches!(now.as_slice(), [pod] if !old.contains(&name(pod)));
            let names: Vec<String> = now.iter().map(name).collect();
            if !is_new {
                return Ok(Err(format!("there is {names:?}")));
            }
            Ok(self
                .operator()
                .map(drop)
                .map_err(|error| format!("{error:#}")))
        })
        .await
    }

    /// What `erpgo-operator verify-log`, of the operator that runs, prints of a rotation log: with success,
    /// or as its reason to fail.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn verify_log(&self, log: &str) -> Result<Result<String, String>> {
        // Its image has no shell to run it by.
        let program = format!("/proc/{}/exe", self.operator()?.id());
        verify_log(Command::new(&program), log).with_context(|| program)
    }

    fn pods_of_the_operator(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), OPERATOR_NAMESPACE)
    }

    async fn operator_pods(&self) -> Result<Vec<Pod>> {
        let of = ListParams::default().labels(SELECTOR);
        Ok(self.pods_of_the_operator().list(&of).await?.items)
    }
}

fn verify_log(mut program: Command, log: &str) -> Result<Result<String, String>> {
    let mut child = program
        .args(["verify-log", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("no standard input")?;
    // It reads all of it before it says anything.
    input.write_all(log.as_bytes())?;
    drop(input);
    let output = child.wait_with_output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_found_by_its_name_and_labels() {
        let metrics = Metrics(
            "# HELP erpgo_secret_age_seconds Age of a key.\n\
             erpgo_secret_age_seconds{erpgo=\"shop\",key=\"jwt\",namespace=\"a\"} 12\n\
             erpgo_secret_age_seconds{erpgo=\"shop\",key=\"jwt\",namespace=\"b\"} 90\n\
             erpgo_rotation_duration_seconds_bucket{le=\"0.01\"} 0\n\
             erpgo_rotation_duration_seconds_count 3\n"
                .to_owned(),
        );
        let age = |namespace| {
            let labels = [("key", "jwt"), ("namespace", namespace)];
            metrics.value("erpgo_secret_age_seconds", &labels)
        };
        assert_eq!(
            [age("a"), age("b"), age("c")],
            [Some(12.0), Some(90.0), None]
        );
        let count = metrics.value("erpgo_rotation_duration_seconds_count", &[]);
        assert_eq!(count, Some(3.0));
        assert_eq!(metrics.value("erpgo_rotation_duration_seconds", &[]), None);
    }

    #[test]
    fn a_program_is_given_the_log_and_its_word_is_told_either_way() {
        let program = |script: &str| {
            let mut program = Command::new("sh");
            program.args(["-c", script, "erpgo-operator"]);
            program
        };
        let said = verify_log(program("cat; echo \"$@\""), "a log\n").unwrap();
        assert_eq!(said, Ok("a log\nverify-log -f -\n".to_owned()));
        let said = verify_log(program("cat >/dev/null; echo broken >&2; exit 1"), "x").unwrap();
        assert_eq!(said, Err("broken\n".to_owned()));
    }
}
