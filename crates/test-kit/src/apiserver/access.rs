//! How tests reach an API server: client, kubeconfig files, accounts, definitions and audit log.

use super::audit::{self, AuditEvent, Selection};
use super::namespace::{self, TestNamespace};
use crate::fail;
use anyhow::{Context, bail};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, Config};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);
const TOKEN_SECONDS: i64 = 3600;

/// Where the API server is, what it trusts, and the administrator's token.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Access {
    pub(crate) url: String,
    pub(crate) authority: String,
    pub(crate) token: String,
    pub(crate) dir: PathBuf,
}

/// A running API server.
#[derive(Clone, Debug)]
pub struct TestCluster {
    access: Access,
}

impl Access {
    /// The administrator's configuration.
    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        // Fails when a provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificate = pem::parse(&self.authority)?;
        let mut config = Config::new(self.url.parse()?);
        config.root_cert = Some(vec![certificate.into_contents()]);
        config.auth_info.token = Some(self.token.clone().into());
        Ok(config)
    }

    /// Whether the server reports itself ready, within a second.
    pub(crate) async fn is_ready(&self) -> bool {
        let probe = async {
            let client = Client::try_from(self.config()?)?;
            anyhow::Ok(
                client
                    .request_text(http::Request::get("/readyz").body(Vec::new())?)
                    .await?,
            )
        };
        matches!(
            tokio::time::timeout(Duration::from_secs(1), probe).await,
            Ok(Ok(_))
        )
    }

    /// Writes a kubeconfig with this bearer token and returns its path.
    pub(crate) fn write_kubeconfig(&self, name: &str, token: &str) -> anyhow::Result<PathBuf> {
        write_kubeconfig(&self.dir, name, &self.url, token)
    }
}

impl TestCluster {
    pub(crate) fn new(access: Access) -> Self {
        Self { access }
    }

    /// The administrator's client configuration.
    pub fn config(&self) -> Config {
        fail::unless(self.access.config())
    }

    /// An administrator's client. It belongs to the running runtime.
    pub fn client(&self) -> Client {
        fail::unless(Client::try_from(self.config()).context("cannot make a client"))
    }

    /// The administrator's kubeconfig file.
    pub fn kubeconfig(&self) -> PathBuf {
        self.access.dir.join("admin.kubeconfig")
    }

    /// The URL of the API server.
    pub fn url(&self) -> &str {
        &self.access.url
    }

    /// Where the API server listens, for a proxy in front of it.
    pub fn address(&self) -> SocketAddr {
        let address = self.access.url.trim_start_matches("https://").parse();
        fail::unless(address.context("the API server's URL holds no address"))
    }

    /// The certificate authority in PEM.
    pub fn authority(&self) -> &str {
        &self.access.authority
    }

    /// The administrator's bearer token.
    pub fn token(&self) -> &str {
        &self.access.token
    }

    /// The public key that tells the tokens of service accounts from forged ones, in PEM.
    pub fn account_key(&self) -> String {
        let file = self.access.dir.join("service-accounts.pub");
        fail::unless(std::fs::read_to_string(&file).context("the API server has no account key"))
    }

    /// A namespace of a unique name, removed on drop.
    pub async fn namespace(&self, prefix: &str) -> TestNamespace {
        fail::unless(namespace::create(&self.access, prefix).await)
    }

    /// A token of an existing service account.
    pub async fn service_account_token(
        &self,
        namespace: &str,
        name: &str,
        audiences: &[&str],
    ) -> String {
        fail::unless(self.request_token(namespace, name, audiences).await)
    }

    /// A kubeconfig file that acts as an existing service account.
    pub async fn kubeconfig_for_service_account(&self, namespace: &str, name: &str) -> PathBuf {
        self.kubeconfig_for_service_account_at(namespace, name, self.url())
            .await
    }

    /// The same with the API server at `url`, where something stands before it.
    pub async fn kubeconfig_for_service_account_at(
        &self,
        namespace: &str,
        name: &str,
        url: &str,
    ) -> PathBuf {
        let token = self.service_account_token(namespace, name, &[]).await;
        let file = format!("{namespace}.{name}");
        fail::unless(write_kubeconfig(&self.access.dir, &file, url, &token))
    }

    /// The same as a kubeconfig file, with the API server's place taken by a proxy at `address`.
    pub fn kubeconfig_through(&self, address: SocketAddr) -> PathBuf {
        let name = format!("admin-through-{}", address.port());
        let url = format!("https://{address}");
        fail::unless(write_kubeconfig(
            &self.access.dir,
            &name,
            &url,
            &self.access.token,
        ))
    }

    /// Installs a definition from YAML or JSON text, or updates it, and waits until it is served.
    pub async fn install_crd(&self, text: &str) {
        fail::unless(self.apply_crd(text).await);
    }

    /// Installs the definitions of the Prometheus operator, as far as the project uses them.
    pub async fn install_prometheus_crds(&self) {
        self.install_crds_of("prometheus-crds").await;
    }

    /// Installs the definitions of the Gateway API, as far as the project uses them.
    pub async fn install_gateway_crds(&self) {
        self.install_crds_of("gateway-crds").await;
    }

    async fn install_crds_of(&self, tool: &'static str) {
        let dir = fail::unless(fail::blocking(move || crate::tools::tool(tool)).await);
        let files =
            std::fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()));
        for file in fail::unless(files).flatten() {
            let text = std::fs::read_to_string(file.path()).context("cannot read a definition");
            self.install_crd(&fail::unless(text)).await;
        }
    }

    /// Everything in the audit log that touched `namespace`, oldest first.
    pub fn audit(&self, namespace: &str) -> Vec<AuditEvent> {
        self.audited(Selection::Namespace(namespace))
    }

    /// Everything in the audit log that `user` asked for, in any namespace or none, oldest first.
    pub fn audit_of(&self, user: &str) -> Vec<AuditEvent> {
        self.audited(Selection::User(user))
    }

    /// The creates, updates, patches and deletes in `namespace`, oldest first.
    pub fn audit_writes(&self, namespace: &str) -> Vec<AuditEvent> {
        self.audit(namespace)
            .into_iter()
            .filter(AuditEvent::is_write)
            .collect()
    }

    fn audited(&self, selection: Selection<'_>) -> Vec<AuditEvent> {
        fail::unless(audit::read(&self.access.dir.join("audit.log"), selection))
    }

    async fn request_token(
        &self,
        namespace: &str,
        name: &str,
        audiences: &[&str],
    ) -> anyhow::Result<String> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: audiences.iter().map(ToString::to_string).collect(),
                expiration_seconds: Some(TOKEN_SECONDS),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await;
        let answer =
            answer.with_context(|| format!("no token for service account {namespace}/{name}"))?;
        Ok(answer
            .status
            .context("a token request without a status")?
            .token)
    }

    async fn apply_crd(&self, text: &str) -> anyhow::Result<()> {
        let definition: serde_json::Value =
            serde_saphyr::from_str(text).context("the definition is no YAML")?;
        let name = definition["metadata"]["name"]
            .as_str()
            .context("the definition has no name")?
            .to_owned();
        let api: Api<CustomResourceDefinition> = Api::all(self.client());
        let params = PatchParams::apply("erpgo-test-kit").force();
        api.patch(&name, &params, &Patch::Apply(&definition))
            .await
            .with_context(|| format!("cannot install {name}"))?;
        let deadline = tokio::time::Instant::now() + LIMIT;
        while !is_established(&api.get(&name).await?) {
            if tokio::time::Instant::now() >= deadline {
                bail!("{name} is not established after {LIMIT:?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

fn is_established(definition: &CustomResourceDefinition) -> bool {
    let conditions = definition
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|condition| condition.type_ == "Established" && condition.status == "True")
}

fn write_kubeconfig(dir: &Path, name: &str, url: &str, token: &str) -> anyhow::Result<PathBuf> {
    let path = dir.join(format!("{name}.kubeconfig"));
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": dir.join("ca.crt")}}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "default"}}],
    });
    crate::state::write(&path, &config)?;
    Ok(path)
}
