//! Requests to Vault as root.

use super::TestVault;
use anyhow::{Context, bail};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// Sends a request below `/v1/`; nothing when the answer is 404 or has no body.
pub(crate) async fn call(
    vault: &TestVault,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> anyhow::Result<Option<Value>> {
    // Fails when a provider is installed already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(LIMIT)
        .no_proxy()
        .build()?;
    let mut request = client.request(method, format!("{}/v1/{path}", vault.url()));
    request = request.header("X-Vault-Token", vault.root_token());
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request
        .send()
        .await
        .with_context(|| format!("cannot reach Vault for {path}"))?;
    let (status, text) = (answer.status(), answer.text().await?);
    if status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    if !status.is_success() {
        bail!("Vault answered {status} for {path}: {text}");
    }
    if text.is_empty() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_str(&text)?))
}
