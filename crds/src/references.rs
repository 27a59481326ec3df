//! References to other objects, always in the namespace of the `ErpGo` itself (I-09).
//!
//! Owns the reference types. None has a namespace field, so one cannot be written.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The name of an object in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalName {
    /// Name of the object. Required. What a change does, the reference says.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// One key of a Secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// Name of the Secret. Required. What a change does, the reference says.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key within the Secret. Default `url`. What a change does, the reference says.
    #[serde(default = "SecretKey::default_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

impl SecretKey {
    fn default_key() -> String {
        "url".into()
    }
}

/// One key of a ConfigMap in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKey {
    /// Name of the ConfigMap. Required. What a change does, the reference says.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key within the ConfigMap. Default `ca.crt`. What a change does, the reference says.
    #[serde(default = "ConfigMapKey::default_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

impl ConfigMapKey {
    fn default_key() -> String {
        "ca.crt".into()
    }
}
