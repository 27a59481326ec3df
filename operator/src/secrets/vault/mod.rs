//! HashiCorp Vault and OpenBao, KV version 2.
//!
//! Owns the operator's requests to Vault: log in, read, write with check-and-set, delete. Every write
//! names the version that it replaces, 0 for none; none follows a redirect with a token, no body is
//! logged, and every answer is bounded in size and time (I-04, I-12). It speaks HTTP itself: the CA comes from a ConfigMap and
//! not from a file, and answers must be bounded before they are parsed.

mod login;
mod place;
mod wire;

use std::time::Duration;

use erpgo_crds::VaultBackend;
use erpgo_secret_set::{Document, Secret};
pub use login::Sessions;
pub(super) use place::Place;
use reqwest::header::RETRY_AFTER;
use reqwest::{Method, Url};

use super::error::{Ensured, SecretsError};
use super::place::Look;
use super::write::{Revision, WriteId};

const TIMEOUT: Duration = Duration::from_secs(10);
// A document of the largest size, escaped as a JSON string, with metadata around it.
const MAX_ANSWER: usize = 4 * Document::MAX_BYTES;
// Enough for two whole rotations to look back on; what a document retired lives on in these.
const MAX_VERSIONS: u32 = 10;

/// One Vault as one `ErpGo` names it.
pub(super) struct Vault<'a> {
    settings: &'a VaultBackend,
    http: reqwest::Client,
    base: Url,
}

impl<'a> Vault<'a> {
    /// Prepares requests; `ca` is a PEM bundle.
    pub(super) fn new(settings: &'a VaultBackend, ca: Option<&str>) -> Result<Self, SecretsError> {
        let base = Url::parse(&settings.address)
            .map_err(|_| SecretsError::Settings("the address is not a URL"))?;
        let plain = base.scheme() == "http";
        if plain && !settings.allow_http {
            return Err(SecretsError::Settings(
                "the address is plain http: use https, or set allowHttp for a development server",
            ));
        }
        let builder = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(TIMEOUT / 2)
            .redirect(reqwest::redirect::Policy::none());
        let builder = match (plain, ca) {
            (true, _) => builder.tls_certs_only([]),
            (false, Some(pem)) => builder.tls_certs_only(certificates(pem)?),
            (false, None) => builder,
        };
        let http = builder
            .build()
            .map_err(|_| SecretsError::Settings("no TLS client can be made"))?;
        Ok(Self {
            settings,
            http,
            base,
        })
    }

    pub(super) async fn read(&self, token: &Secret) -> Result<Look, SecretsError> {
        let path = self.secret_path("data");
        let (status, body) = self.send(Method::GET, &path, Some(token), None).await?;
        wire::read(status, body.expose_secret().as_bytes())
    }

    /// Sets how many versions Vault keeps of the document.
    pub(super) async fn keep_versions(&self, token: &Secret) -> Result<(), SecretsError> {
        let body = serde_json::json!({"max_versions": MAX_VERSIONS});
        let body = Secret::new(body.to_string());
        let path = self.secret_path("metadata");
        let (status, body) = self
            .send(Method::POST, &path, Some(token), Some(&body))
            .await?;
        wire::configured(status, body.expose_secret().as_bytes())
    }

    pub(super) async fn create(
        &self,
        token: &Secret,
        document: &Secret,
    ) -> Result<Ensured, SecretsError> {
        let data = serde_json::json!({"document": document.expose_secret()});
        Ok(match self.write(token, 0, data).await? {
            Some(_) => Ensured::Created,
            None => Ensured::Present,
        })
    }

    pub(super) async fn swap(
        &self,
        token: &Secret,
        from: &Revision,
        document: &Secret,
        write: &WriteId,
    ) -> Result<Option<Revision>, SecretsError> {
        let Some(version) = wire::version(from) else {
            return Ok(None);
        };
        let data = serde_json::json!({
            "document": document.expose_secret(),
            "write_id": write.as_str(),
        });
        self.write(token, version, data).await
    }

    async fn write(
        &self,
        token: &Secret,
        version: u64,
        data: serde_json::Value,
    ) -> Result<Option<Revision>, SecretsError> {
        let body = serde_json::json!({"options": {"cas": version}, "data": data});
        let body = Secret::new(body.to_string());
        let path = self.secret_path("data");
        let (status, body) = self
            .send(Method::POST, &path, Some(token), Some(&body))
            .await?;
        wire::written(status, body.expose_secret().as_bytes())
    }

    pub(super) async fn delete(&self, token: &Secret) -> Result<(), SecretsError> {
        let path = self.secret_path("metadata");
        let (status, body) = self.send(Method::DELETE, &path, Some(token), None).await?;
        wire::deleted(status, body.expose_secret().as_bytes())
    }

    async fn login(&self, mount: &str, body: &Secret) -> Result<wire::Login, SecretsError> {
        let path = format!("auth/{}/login", mount.trim_matches('/'));
        let (status, body) = self.send(Method::POST, &path, None, Some(body)).await?;
        wire::login(status, body.expose_secret().as_bytes())
    }

    fn secret_path(&self, area: &str) -> String {
        let mount = self.settings.mount.trim_matches('/');
        format!("{mount}/{area}/{}", self.settings.path)
    }

    // Segment by segment, so that no character of a path can end it.
    fn url(&self, path: &str) -> Result<Url, SecretsError> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| SecretsError::Settings("the address is not a URL"))?
            .pop_if_empty()
            .push("v1")
            .extend(path.split('/'));
        Ok(url)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&Secret>,
        body: Option<&Secret>,
    ) -> Result<(u16, Secret), SecretsError> {
        let mut request = self.http.request(method, self.url(path)?);
        if let Some(namespace) = &self.settings.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        if let Some(token) = token {
            request = request.header("X-Vault-Token", sensitive(token)?);
        }
        if let Some(body) = body {
            request = request
                .header("Content-Type", "application/json")
                .body(body.expose_secret().to_owned());
        }
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status().as_u16();
        let wait = answer.headers().get(RETRY_AFTER);
        let wait = wait.and_then(|wait| wait.to_str().ok());
        if let Some(throttled) = wire::throttled(status, wait) {
            return Err(throttled);
        }
        Ok((status, bounded(answer).await?))
    }
}

/// Where requests under these settings wait. A login waits for whom Vault asks about it, so that one mount
/// may be silent and another not.
pub(super) fn place_of(settings: &VaultBackend) -> String {
    let auth = &settings.auth;
    let mounts = [
        auth.kubernetes.as_ref().map(|auth| &auth.mount),
        auth.jwt.as_ref().map(|auth| &auth.mount),
        auth.app_role.as_ref().map(|auth| &auth.mount),
    ];
    let (address, namespace) = (&settings.address, &settings.namespace);
    format!("{:?}", (address, namespace, mounts, &settings.mount))
}

fn unreachable(error: reqwest::Error) -> SecretsError {
    let is_silent = error.is_timeout();
    let error = Some(error.without_url());
    if is_silent {
        SecretsError::Silent(error)
    } else {
        SecretsError::Unreachable(error)
    }
}

fn sensitive(token: &Secret) -> Result<reqwest::header::HeaderValue, SecretsError> {
    let value = reqwest::header::HeaderValue::from_str(token.expose_secret());
    let mut value = value.map_err(|_| SecretsError::Malformed { what: "token" })?;
    value.set_sensitive(true);
    Ok(value)
}

async fn bounded(mut answer: reqwest::Response) -> Result<Secret, SecretsError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(SecretsError::Malformed { what: "too large" });
        }
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body)
        .map(Secret::new)
        .map_err(|_| SecretsError::Malformed { what: "not text" })
}

/// The certificates of a PEM bundle.
pub(super) fn certificates(pem: &str) -> Result<Vec<reqwest::Certificate>, SecretsError> {
    let refused = SecretsError::Settings("the CA is not a PEM bundle of certificates");
    match reqwest::Certificate::from_pem_bundle(pem.as_bytes()) {
        Ok(bundle) if !bundle.is_empty() => Ok(bundle),
        Ok(_) | Err(_) => Err(refused),
    }
}
