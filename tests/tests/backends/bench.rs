//! What every backend needs: a namespace with the database's Secret, and an `ErpGo` there.

use erpgo_crds::ErpGo;
use erpgo_operator::secrets::Secrets;
use erpgo_test_kit::apiserver::{self, TestCluster, TestNamespace};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

/// A part of every value; no error may show it.
pub const CANARY: &str = "kept-out-of-sight";

/// A namespace of the shared API server.
pub struct Bench {
    pub cluster: TestCluster,
    pub namespace: TestNamespace,
}

/// An `ErpGo` and the operator's access to its backend.
pub struct Setting {
    pub secrets: Secrets,
    pub erpgo: ErpGo,
}

impl Bench {
    pub async fn new() -> Self {
        // Fails when a provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let cluster = apiserver::cluster().await;
        let namespace = cluster.namespace("backend").await;
        let bench = Self { cluster, namespace };
        let url = format!("postgres://shop:{CANARY}@127.0.0.1:5432/shop");
        bench.secret("shop-database", &json!({"url": url})).await;
        bench
    }

    /// Creates a Secret.
    pub async fn secret(&self, name: &str, values: &Value) {
        let secret = json!({"metadata": {"name": name}, "stringData": values});
        let api: Api<Secret> = Api::namespaced(self.cluster.client(), self.namespace.name());
        let secret = serde_json::from_value(secret).unwrap();
        api.create(&PostParams::default(), &secret).await.unwrap();
    }

    /// Creates the ServiceAccount of the `ErpGo`, which the operator does in a cluster.
    pub async fn account(&self) {
        let account = json!({"metadata": {"name": "shop"}});
        let api: Api<ServiceAccount> =
            Api::namespaced(self.cluster.client(), self.namespace.name());
        let account = serde_json::from_value(account).unwrap();
        api.create(&PostParams::default(), &account).await.unwrap();
    }

    /// An `ErpGo` with this backend, seen by an operator who may do everything in Kubernetes.
    pub fn setting(&self, backend: &Value) -> Setting {
        self.setting_as(self.cluster.client(), backend)
    }

    /// The same, seen through `client`.
    pub fn setting_as(&self, client: kube::Client, backend: &Value) -> Setting {
        let erpgo = json!({
            "apiVersion": "erpgo.io/v1alpha1",
            "kind": "ErpGo",
            "metadata": {"name": "shop", "namespace": self.namespace.name()},
            "spec": {
                "image": "erpgo.local/erpgo:1",
                "database": {"secretRef": {"name": "shop-database"}},
                "deletionPolicy": "Delete",
                "secrets": {"backend": backend},
            },
        });
        Setting {
            secrets: Secrets::new(client),
            erpgo: serde_json::from_value(erpgo).unwrap(),
        }
    }
}
