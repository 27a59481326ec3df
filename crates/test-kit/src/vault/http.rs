//! Requests to Vault as root.

use super::TestVault;
use super::program::Role;
use anyhow::{Context, bail};
use reqwest::{Client, Method, StatusCode, redirect};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(20);
/// How long the members of a cluster may take to elect whom a request needs.
const ELECTION: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
/// What a member says while nobody is active.
const ELECTING: [StatusCode; 3] = [
    StatusCode::TEMPORARY_REDIRECT,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::SERVICE_UNAVAILABLE,
];

/// Sends a request below `/v1/`; nothing when the answer is 404 or has no body.
pub(crate) async fn call(
    vault: &TestVault,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> anyhow::Result<Option<Value>> {
    let client = client()?;
    let deadline = Instant::now() + patience(vault);
    let (status, text) = loop {
        let answer = send(&client, vault, (&method, path), body).await?;
        if !ELECTING.contains(&answer.0) || Instant::now() >= deadline {
            break answer;
        }
        tokio::time::sleep(POLL).await;
    };
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

fn client() -> anyhow::Result<Client> {
    // Fails when a provider is installed already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .timeout(LIMIT)
        .no_proxy()
        .redirect(redirect::Policy::none());
    Ok(builder.build()?)
}

// One that is alone means what it says.
fn patience(vault: &TestVault) -> Duration {
    match vault.role {
        Role::Alone => Duration::ZERO,
        Role::Member(_) => ELECTION,
    }
}

async fn send(
    client: &Client,
    vault: &TestVault,
    (method, path): (&Method, &str),
    body: Option<&Value>,
) -> anyhow::Result<(StatusCode, String)> {
    let mut request = client.request(method.clone(), format!("{}/v1/{path}", vault.url()));
    request = request.header("X-Vault-Token", vault.root_token());
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request
        .send()
        .await
        .with_context(|| format!("cannot reach Vault for {path}"))?;
    Ok((answer.status(), answer.text().await?))
}
