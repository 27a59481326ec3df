//! Where the secret set lives and how pods read it.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{AwsBackend, ConfigMapKey, LocalName, Resources, Rotation};

/// The secret set: signing keys, password pepper and credentials.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Secrets {
    /// Where it is stored. Default `kubernetes: {}`. The backend cannot be changed for another one; a
    /// change within it rolls the pods.
    #[serde(default)]
    pub backend: Backend,
    /// The container that renders it in each pod. Default: what its fields say. A change rolls the
    /// pods.
    #[serde(default)]
    pub sidecar: Sidecar,
    /// When its keys are rotated. Default: every 90 days. A change counts at once.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self.intervalDays > self.grace.refreshDays")
        .message("spec.secrets.rotation.intervalDays must be greater than grace.refreshDays: otherwise an old version is still accepted when the next is due"))]
    pub rotation: Rotation,
}

/// Exactly one backend. The choice cannot be changed later: the generations lie in the old one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("[has(self.kubernetes), has(self.vault), has(self.aws)].filter(set, set).size() == 1")
        .message("spec.secrets.backend takes exactly one of kubernetes, vault and aws"),
    validation = Rule::new("has(self.kubernetes) == has(oldSelf.kubernetes) && has(self.vault) == has(oldSelf.vault)")
        .message("spec.secrets.backend cannot be changed: the secret generations lie in the old backend")
)]
#[serde(rename_all = "camelCase")]
pub struct Backend {
    /// A Secret `NAME-secret-set` in this namespace. Default: this one, when no other is named. Cannot
    /// be changed for another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesBackend>,
    /// HashiCorp Vault or OpenBao, KV version 2. Default none. Cannot be changed for another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultBackend>,
    /// AWS Secrets Manager. Default none. Cannot be changed for another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsBackend>,
}

impl Default for Backend {
    fn default() -> Self {
        Self {
            kubernetes: Some(KubernetesBackend {}),
            vault: None,
            aws: None,
        }
    }
}

/// The Kubernetes backend; it has no settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct KubernetesBackend {}

/// A KV version 2 secret in Vault or OpenBao.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultBackend {
    /// Address, for example `https://vault.example.com:8200`. Required. Plain `http` is refused unless
    /// `allowHttp` is set. A change rolls the pods. Copy the document there before.
    #[x_kube(validation = Rule::new("self.matches('^https?://[^/ ]+/?$')")
        .message("spec.secrets.backend.vault.address must be http(s)://HOST[:PORT] without a path"))]
    #[schemars(length(max = 300))]
    pub address: String,
    /// Allows `http`, for a development server. Default false. A change rolls the pods.
    #[serde(default)]
    pub allow_http: bool,
    /// Vault namespace. Default none. A change rolls the pods. Copy the document there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub namespace: Option<String>,
    /// Mount of the KV engine. Default `secret`. A change rolls the pods. Copy the document there
    /// before.
    #[serde(default = "VaultBackend::default_mount")]
    #[schemars(length(min = 1, max = 100))]
    pub mount: String,
    /// Path of the secret within the mount, for example `erpgo/shop`. Required. The document lies in
    /// its field `document`. A change rolls the pods. Copy the document there before.
    #[x_kube(validation = Rule::new("!self.startsWith('/') && !self.endsWith('/') && !self.contains('..')")
        .message("spec.secrets.backend.vault.path must be relative, for example erpgo/shop"))]
    #[schemars(length(min = 1, max = 200))]
    pub path: String,
    /// CA certificates that sign Vault's certificate. Default: the public roots in the image. A change
    /// rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_config_map_ref: Option<ConfigMapKey>,
    /// How pods and operator log in. Required. A change rolls the pods.
    pub auth: VaultAuth,
}

impl VaultBackend {
    fn default_mount() -> String {
        "secret".into()
    }
}

/// Exactly one way to log in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("[has(self.kubernetes), has(self.jwt), has(self.appRole)].filter(set, set).size() == 1")
    .message("spec.secrets.backend.vault.auth takes exactly one of kubernetes, jwt and appRole"))]
#[serde(rename_all = "camelCase")]
pub struct VaultAuth {
    /// Kubernetes auth with a projected ServiceAccount token of this ErpGo. Default none. A change
    /// rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<VaultKubernetesAuth>,
    /// JWT auth with a projected ServiceAccount token of this ErpGo, which Vault checks by itself with
    /// the cluster's public keys. Default none. A change rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<VaultJwtAuth>,
    /// AppRole. Default none. A change rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_role: Option<VaultAppRole>,
}

/// Kubernetes auth: the ServiceAccount `NAME` logs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultKubernetesAuth {
    /// Mount of the auth method. Default `kubernetes`. A change rolls the pods.
    #[serde(default = "VaultKubernetesAuth::default_mount")]
    #[schemars(length(min = 1, max = 100))]
    pub mount: String,
    /// Vault role. Required. It needs `read` on the secret for the pods, and `create` and `update` for
    /// the operator, which logs in as the same ServiceAccount. A change rolls the pods.
    #[schemars(length(min = 1, max = 100))]
    pub role: String,
    /// Audience of the projected token. Default `vault`. A change rolls the pods.
    #[serde(default = "VaultKubernetesAuth::default_audience")]
    #[schemars(length(min = 1, max = 200))]
    pub audience: String,
}

impl VaultKubernetesAuth {
    fn default_mount() -> String {
        "kubernetes".into()
    }

    fn default_audience() -> String {
        "vault".into()
    }
}

/// JWT auth: the ServiceAccount `NAME` logs in with a token that Vault need not ask the cluster about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultJwtAuth {
    /// Mount of the auth method. Default `jwt`. A change rolls the pods.
    #[serde(default = "VaultJwtAuth::default_mount")]
    #[schemars(length(min = 1, max = 100))]
    pub mount: String,
    /// Vault role, with `bound_subject` `system:serviceaccount:NAMESPACE:NAME` and the same rights as
    /// for Kubernetes auth. Required. A change rolls the pods.
    #[schemars(length(min = 1, max = 100))]
    pub role: String,
    /// Audience of the projected token, as the role's `bound_audiences`. Default `vault`. A change
    /// rolls the pods.
    #[serde(default = "VaultJwtAuth::default_audience")]
    #[schemars(length(min = 1, max = 200))]
    pub audience: String,
}

impl VaultJwtAuth {
    fn default_mount() -> String {
        "jwt".into()
    }

    fn default_audience() -> String {
        "vault".into()
    }
}

/// AppRole auth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultAppRole {
    /// Mount of the auth method. Default `approle`. A change rolls the pods.
    #[serde(default = "VaultAppRole::default_mount")]
    #[schemars(length(min = 1, max = 100))]
    pub mount: String,
    /// A Secret in this namespace with the keys `role-id` and `secret-id`. Required. A change rolls the
    /// pods; another value in the Secret is used by the next login.
    pub secret_ref: LocalName,
}

impl VaultAppRole {
    fn default_mount() -> String {
        "approle".into()
    }
}

/// The native sidecar of each pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Sidecar {
    /// Image. Default: the one that the operator was installed with; that of an upgraded operator
    /// comes with the next change of `spec.image`. A change rolls the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    pub image: Option<String>,
    /// Seconds between polls when nobody nudges, 5 to 3600, jittered. Default 60. A change rolls the
    /// pods.
    #[schemars(range(min = 5, max = 3600))]
    pub poll_interval_seconds: i32,
    /// CPU and memory of the sidecar. Default `10m` and `8Mi` reserved, `32Mi` at most. A change rolls
    /// the pods.
    pub resources: Resources,
}

impl Default for Sidecar {
    fn default() -> Self {
        Self {
            image: None,
            poll_interval_seconds: 60,
            resources: Resources::of_the_sidecar(),
        }
    }
}
