//! The pods of the API one by one, past the Service.
//!
//! Owns what a Service hides: what each pod answers to one token, and how often containers were
//! restarted. Single requests go to pods' addresses on this machine's bridge; load never does.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::{Api, ListParams};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::{Metrics, Stage};

const SELECTOR: &str = "app.kubernetes.io/instance=shop,app.kubernetes.io/component=api";
/// The API's port.
pub(crate) const HTTP: u16 = 8080;
/// The sidecar's port.
const CONTROL: u16 = 8790;

/// A token to be shown to a pod.
#[derive(Clone, Copy)]
pub enum Shown<'a> {
    /// To read the profile.
    Access(&'a str),
    /// To refresh a session; a pod that takes it has used it up.
    Refresh(&'a str),
}

/// What one pod answers.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its name.
    pub pod: String,
    /// The status, and the code of a refusal.
    pub said: (u16, String),
}

impl Answer {
    /// Whether the pod does not know the key that signed the token.
    #[must_use]
    pub fn refuses_the_key(&self) -> bool {
        self.said == (401, "TOKEN_INVALID".into())
    }
}

impl Stage {
    /// The API's pods that have not ended.
    ///
    /// # Errors
    /// What the API server answered.
    pub async fn pods(&self) -> Result<Vec<Pod>> {
        let pods: Api<Pod> = self.api();
        let list = pods.list(&ListParams::default().labels(SELECTOR)).await?;
        let ended = |pod: &Pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.clone());
            matches!(phase.as_deref(), Some("Succeeded" | "Failed"))
        };
        Ok(list.items.into_iter().filter(|pod| !ended(pod)).collect())
    }

    /// Restarts of all containers, sidecars among them, of the API's pods.
    ///
    /// # Errors
    /// What the API server answered.
    pub async fn restarts(&self) -> Result<i32> {
        let restarts = |container: ContainerStatus| container.restart_count;
        let containers = self.pods().await?.into_iter().flat_map(containers);
        Ok(containers.map(restarts).sum())
    }

    /// How each container of the API's pods that was restarted ended last, a line each.
    ///
    /// # Errors
    /// What the API server answered.
    pub async fn ends(&self) -> Result<String> {
        let mut lines = String::new();
        for pod in self.pods().await? {
            let name = pod.metadata.name.clone().unwrap_or_default();
            for container in containers(pod) {
                let end = container.last_state.and_then(|state| state.terminated);
                let Some(end) = end else { continue };
                let (container, restarts) = (container.name, container.restart_count);
                let _ = writeln!(lines, "{name} {container}: {restarts} restarts, {end:?}");
            }
        }
        Ok(lines)
    }

    /// How many reads of the secret set have failed in each pod so far, for reasons of this class.
    ///
    /// # Errors
    /// When a sidecar does not answer.
    pub async fn failed_reads(&self, class: &str) -> Result<BTreeMap<String, f64>> {
        let labels = [("result", "failed"), ("class", class)];
        let mut failed = BTreeMap::new();
        for pod in self.pods().await? {
            let name = pod.metadata.name.unwrap_or_default();
            let address = pod.status.and_then(|status| status.pod_ip);
            let url = format!(
                "http://{}:{CONTROL}/metrics",
                address.context("no address")?
            );
            let count = Metrics::at(&url)
                .await?
                .value("erpgo_sidecar_reads_total", &labels);
            let count = count.with_context(|| format!("{name} counts no {class}"))?;
            failed.insert(name, count);
        }
        Ok(failed)
    }

    /// What each ready pod answers to `token`.
    ///
    /// # Errors
    /// When one does not answer, or there is none.
    pub async fn answers(&self, token: Shown<'_>) -> Result<Vec<Answer>> {
        let client = Client::builder().timeout(Duration::from_secs(5)).build()?;
        let ready = self.ready_pods().await?;
        let mut answers = Vec::new();
        for pod in self.pods().await? {
            let name = pod.metadata.name.unwrap_or_default();
            if !ready.contains(&name) {
                continue;
            }
            let address = pod.status.and_then(|status| status.pod_ip);
            let base = format!("http://{}:{HTTP}/api/v1", address.context("no address")?);
            let said = ask(show(&client, &base, token)).await;
            let said = said.with_context(|| format!("{name} does not answer"))?;
            answers.push(Answer { pod: name, said });
        }
        ensure!(!answers.is_empty(), "there is no ready pod to ask");
        Ok(answers)
    }
}

fn containers(pod: Pod) -> impl Iterator<Item = ContainerStatus> {
    let status = pod.status.unwrap_or_default();
    let all = [status.container_statuses, status.init_container_statuses];
    all.into_iter().flatten().flatten()
}

fn show(client: &Client, base: &str, token: Shown<'_>) -> RequestBuilder {
    match token {
        Shown::Access(token) => client.get(format!("{base}/profile")).bearer_auth(token),
        Shown::Refresh(token) => {
            let body = json!({"refresh_token": token});
            client.post(format!("{base}/auth/refresh")).json(&body)
        }
    }
}

async fn ask(request: RequestBuilder) -> Result<(u16, String)> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let body: Value = response.json().await?;
    Ok((status, body["code"].as_str().unwrap_or_default().to_owned()))
}
