//! Settings of the backends.
//!
//! Owns [`BackendConfig`]. Names that become parts of a URL are held to characters that need no
//! escaping.

use std::fmt;
use std::path::PathBuf;

use super::aws::{self, AwsConfig};
use super::environment::Environment;
use crate::http::{Endpoint, EndpointError, PlainHttp};

const MOUNTED: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Where the document is.
#[derive(Debug)]
pub(crate) enum BackendConfig {
    Kubernetes(KubernetesConfig),
    Vault(VaultConfig),
    Aws(AwsConfig),
}

/// One Secret, read by name.
#[derive(Debug)]
pub(crate) struct KubernetesConfig {
    pub(crate) endpoint: Endpoint,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) token_file: PathBuf,
    pub(crate) namespace: String,
    pub(crate) secret: String,
}

/// One KV v2 key.
#[derive(Debug)]
pub(crate) struct VaultConfig {
    pub(crate) endpoint: Endpoint,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) namespace: Option<String>,
    pub(crate) mount: String,
    pub(crate) path: String,
    pub(crate) auth_mount: String,
    pub(crate) auth: VaultAuth,
}

/// How to log in to Vault.
#[derive(Debug)]
pub(crate) enum VaultAuth {
    // Kubernetes auth and JWT auth take the same body at different mounts.
    Token {
        role: String,
        jwt_file: PathBuf,
    },
    AppRole {
        role_id_file: PathBuf,
        secret_id_file: PathBuf,
    },
}

impl fmt::Display for BackendConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kubernetes(config) => {
                let KubernetesConfig {
                    endpoint,
                    namespace,
                    secret,
                    ..
                } = config;
                write!(f, "Secret {namespace}/{secret} at {endpoint}")
            }
            Self::Vault(config) => {
                let VaultConfig {
                    endpoint,
                    mount,
                    path,
                    ..
                } = config;
                write!(f, "Vault KV {mount}/{path} at {endpoint}")
            }
            Self::Aws(config) => {
                let (name, endpoint) = (&config.secret_id, &config.endpoint);
                write!(f, "AWS secret {name} at {endpoint}")
            }
        }
    }
}

pub(super) fn read(env: &mut Environment<'_>) -> Option<BackendConfig> {
    const NAME: &str = "SIDECAR_BACKEND";
    match env.required(NAME)?.as_str() {
        "kubernetes" => kubernetes(env).map(BackendConfig::Kubernetes),
        "vault" => vault(env).map(BackendConfig::Vault),
        "aws" => aws::read(env).map(BackendConfig::Aws),
        _ => {
            env.invalid(NAME, "kubernetes, vault or aws");
            None
        }
    }
}

fn kubernetes(env: &mut Environment<'_>) -> Option<KubernetesConfig> {
    let endpoint = kubernetes_endpoint(env);
    let ca = format!("{MOUNTED}/ca.crt");
    let ca_file = match &endpoint {
        Some(endpoint) if !endpoint.secure => Some(None),
        _ => env.file("SIDECAR_KUBERNETES_CA_FILE", Some(&ca)).map(Some),
    };
    let token = format!("{MOUNTED}/token");
    let token_file = env.credential("SIDECAR_KUBERNETES_TOKEN_FILE", Some(&token));
    let namespace = object_name(env, "SIDECAR_KUBERNETES_NAMESPACE");
    let secret = object_name(env, "SIDECAR_KUBERNETES_SECRET");
    Some(KubernetesConfig {
        endpoint: endpoint?,
        ca_file: ca_file?,
        token_file: token_file?,
        namespace: namespace?,
        secret: secret?,
    })
}

fn kubernetes_endpoint(env: &mut Environment<'_>) -> Option<Endpoint> {
    const NAME: &str = "SIDECAR_KUBERNETES_URL";
    if let Some(url) = env.optional(NAME) {
        return endpoint(env, NAME, &url, PlainHttp::LoopbackOnly);
    }
    let host = env.optional("KUBERNETES_SERVICE_HOST");
    let (Some(host), port) = (host, env.or("KUBERNETES_SERVICE_PORT", "443")) else {
        return env.required(NAME).and(None);
    };
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host
    };
    endpoint(
        env,
        NAME,
        &format!("https://{host}:{port}"),
        PlainHttp::LoopbackOnly,
    )
}

fn vault(env: &mut Environment<'_>) -> Option<VaultConfig> {
    let endpoint = vault_endpoint(env);
    let ca_file = match &endpoint {
        Some(endpoint) if endpoint.secure => env.file("SIDECAR_VAULT_CA_FILE", None).map(Some),
        _ => Some(None),
    };
    let namespace = match env.optional("SIDECAR_VAULT_NAMESPACE") {
        None => Some(None),
        Some(text) => segments(env, "SIDECAR_VAULT_NAMESPACE", &text).map(Some),
    };
    let mount = env.or("SIDECAR_VAULT_MOUNT", "secret");
    let mount = segments(env, "SIDECAR_VAULT_MOUNT", &mount);
    let path = env.required("SIDECAR_VAULT_PATH");
    let path = path.and_then(|text| segments(env, "SIDECAR_VAULT_PATH", &text));
    let (auth, default_mount) = auth(env);
    let auth_mount = env.or("SIDECAR_VAULT_AUTH_MOUNT", default_mount);
    let auth_mount = segments(env, "SIDECAR_VAULT_AUTH_MOUNT", &auth_mount);
    Some(VaultConfig {
        endpoint: endpoint?,
        ca_file: ca_file?,
        namespace: namespace?,
        mount: mount?,
        path: path?,
        auth_mount: auth_mount?,
        auth: auth?,
    })
}

fn vault_endpoint(env: &mut Environment<'_>) -> Option<Endpoint> {
    const NAME: &str = "SIDECAR_VAULT_ADDRESS";
    let plain = env.parsed("SIDECAR_VAULT_ALLOW_HTTP", "false", "true or false");
    let address = env.required(NAME)?;
    let plain = if plain? {
        PlainHttp::Allowed
    } else {
        PlainHttp::LoopbackOnly
    };
    endpoint(env, NAME, &address, plain)
}

// The login and the name of the mount that it usually has.
fn auth(env: &mut Environment<'_>) -> (Option<VaultAuth>, &'static str) {
    const NAME: &str = "SIDECAR_VAULT_AUTH";
    match env.or(NAME, "kubernetes").as_str() {
        "kubernetes" => (token_auth(env), "kubernetes"),
        "jwt" => (token_auth(env), "jwt"),
        "approle" => (approle_auth(env), "approle"),
        _ => {
            env.invalid(NAME, "kubernetes, jwt or approle");
            (None, "kubernetes")
        }
    }
}

fn token_auth(env: &mut Environment<'_>) -> Option<VaultAuth> {
    let role = env.required("SIDECAR_VAULT_ROLE");
    let jwt = "/var/run/erpgo/vault-token/token";
    let jwt_file = env.credential("SIDECAR_VAULT_JWT_FILE", Some(jwt));
    Some(VaultAuth::Token {
        role: role?,
        jwt_file: jwt_file?,
    })
}

fn approle_auth(env: &mut Environment<'_>) -> Option<VaultAuth> {
    let role_id_file = env.credential("SIDECAR_VAULT_ROLE_ID_FILE", None);
    let secret_id_file = env.credential("SIDECAR_VAULT_SECRET_ID_FILE", None);
    Some(VaultAuth::AppRole {
        role_id_file: role_id_file?,
        secret_id_file: secret_id_file?,
    })
}

pub(super) fn endpoint(
    env: &mut Environment<'_>,
    name: &'static str,
    text: &str,
    plain: PlainHttp,
) -> Option<Endpoint> {
    match Endpoint::parse(text, plain) {
        Ok(endpoint) => Some(endpoint),
        Err(EndpointError::Form) => {
            env.invalid(name, "of the form https://host:port");
            None
        }
        Err(EndpointError::PlainHttp) => {
            env.invalid(name, "https, since plain http is for loopback only");
            None
        }
    }
}

fn object_name(env: &mut Environment<'_>, name: &'static str) -> Option<String> {
    let text = env.required(name)?;
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    if text.len() > 253 || text.starts_with('.') || !text.bytes().all(allowed) {
        env.invalid(name, "a Kubernetes object name");
        return None;
    }
    Some(text)
}

fn segments(env: &mut Environment<'_>, name: &'static str, text: &str) -> Option<String> {
    let text = text.trim_matches('/');
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    let dots = text
        .split('/')
        .any(|part| part.is_empty() || part == "." || part == "..");
    if dots || text.len() > 512 || !text.bytes().all(allowed) {
        env.invalid(name, "a path of letters, digits, '-', '_', '.' and '/'");
        return None;
    }
    Some(text.to_owned())
}
