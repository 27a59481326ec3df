//! How the API is reached.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Kind of Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceType {
    /// Inside the cluster.
    #[default]
    ClusterIP,
    /// On a port of every node.
    NodePort,
    /// Through the cloud's load balancer.
    LoadBalancer,
}

/// The Service in front of the pods. A live change takes hold at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    /// Kind of Service. Default `ClusterIP`. A change takes hold at once.
    #[serde(rename = "type")]
    pub type_: ServiceType,
    /// Port of the Service, 1 to 65535. Default 80. A change takes hold at once.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Port on the nodes, 30000 to 32767. Default: the cluster picks one. A change takes hold at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 30000, max = 32767))]
    pub node_port: Option<i32>,
    /// Annotations of the Service, at most 32. Default none. A change takes hold at once.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub annotations: BTreeMap<String, String>,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            type_: ServiceType::ClusterIP,
            port: 80,
            node_port: None,
            annotations: BTreeMap::new(),
        }
    }
}

/// An Ingress to the Service. A live change takes hold at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ingress {
    /// Host name, for example `erp.example.com`. Required. A change takes hold at once.
    #[schemars(length(min = 1, max = 253))]
    pub host: String,
    /// Ingress class. Default: the cluster's. A change takes hold at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class_name: Option<String>,
    /// Secret in this namespace with the certificate. Default: no TLS. A change takes hold at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub tls_secret_name: Option<String>,
    /// Annotations of the Ingress, at most 32. Default none. A change takes hold at once.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub annotations: BTreeMap<String, String>,
}

/// A Gateway API HTTPRoute to the Service. A live change takes hold at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRoute {
    /// Gateways in this namespace to attach to, 1 to 8. Required. A change takes hold at once.
    #[schemars(length(min = 1, max = 8))]
    pub parent_refs: Vec<ParentReference>,
    /// Host names, at most 16. Default: those of the listeners. A change takes hold at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub hostnames: Vec<String>,
}

/// A Gateway in this namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// Name of the Gateway. Required. A change takes hold at once.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Listener of the Gateway. Default: all that fit. A change takes hold at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub section_name: Option<String>,
}
