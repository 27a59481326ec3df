//! A Secret on a real API server.

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;

use super::bench::{Bench, Setting};
use super::suite::Backend;

pub struct Kubernetes(Bench);

impl Kubernetes {
    fn seen_by(&self, client: kube::Client) -> Setting {
        self.0.setting_as(client, &json!({"kubernetes": {}}))
    }
}

impl Backend for Kubernetes {
    async fn start() -> Self {
        Self(Bench::new().await)
    }

    fn here(&self) -> Setting {
        self.seen_by(self.0.cluster.client())
    }

    fn away(&self) -> Setting {
        let mut config = self.0.cluster.config();
        config.cluster_url = "https://127.0.0.1:1".parse().unwrap();
        self.seen_by(kube::Client::try_from(config).unwrap())
    }

    async fn denied(&self) -> Setting {
        let namespace = self.0.namespace.name();
        let accounts: Api<ServiceAccount> = Api::namespaced(self.0.cluster.client(), namespace);
        let account = serde_json::from_value(json!({"metadata": {"name": "nobody"}})).unwrap();
        let params = PostParams::default();
        accounts.create(&params, &account).await.unwrap();
        let token = self
            .0
            .cluster
            .service_account_token(namespace, "nobody", &[])
            .await;
        let mut config = self.0.cluster.config();
        config.auth_info = kube::config::AuthInfo {
            token: Some(token.into()),
            ..Default::default()
        };
        self.seen_by(kube::Client::try_from(config).unwrap())
    }

    async fn by_hand(&self, text: &str) {
        let namespace = self.0.namespace.name();
        let secrets: Api<Secret> = Api::namespaced(self.0.cluster.client(), namespace);
        let patch = json!({"stringData": {"document.json": text}});
        let params = PatchParams::default();
        secrets
            .patch("shop-secret-set", &params, &Patch::Merge(&patch))
            .await
            .unwrap();
    }

    async fn is_tidy(&self) -> bool {
        true
    }
}
