//! A real API server with one Secret in a namespace of its own, and an account that may read it.

use erpgo_test_kit::apiserver::{self, TestCluster, TestNamespace};
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::Pod;

const NAME: &str = "shop-secret-set";
const ACCOUNT: &str = "shop";

/// The cluster and the namespace of one test.
pub struct Store {
    pub cluster: TestCluster,
    pub namespace: TestNamespace,
    client: kube::Client,
}

impl Store {
    /// A namespace with an account that may get the one Secret, which is not there yet.
    pub async fn empty() -> Self {
        let store = Self::without_role().await;
        let rule = json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": [NAME], "verbs": ["get"]});
        store
            .create::<Role>(json!({"metadata": {"name": ACCOUNT}, "rules": [rule]}))
            .await;
        let binding = json!({
            "metadata": {"name": ACCOUNT},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": store.namespace.name()}],
        });
        store.create::<RoleBinding>(binding).await;
        store.until_it_may_read().await;
        store
    }

    /// A namespace with an account that may do nothing.
    pub async fn without_role() -> Self {
        let cluster = apiserver::cluster().await;
        let namespace = cluster.namespace("sidecar").await;
        let client = cluster.client();
        let store = Self {
            cluster,
            namespace,
            client,
        };
        store
            .create::<ServiceAccount>(json!({"metadata": {"name": ACCOUNT}}))
            .await;
        store
    }

    /// A store that holds this document.
    pub async fn with(document: &str) -> Self {
        let store = Self::empty().await;
        store.put(document).await;
        store
    }

    /// Writes the document.
    pub async fn put(&self, document: &str) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME},
            "data": {"document.json": base64(document)},
        });
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), self.namespace.name());
        let params = PatchParams::apply("test").force();
        secrets
            .patch(NAME, &params, &Patch::Apply(&secret))
            .await
            .unwrap();
    }

    pub async fn delete(&self) {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), self.namespace.name());
        secrets
            .delete(NAME, &DeleteParams::default())
            .await
            .unwrap();
    }

    /// A token of the account; without audiences it is one for the API server.
    pub async fn token(&self, audiences: &[&str]) -> String {
        self.cluster
            .service_account_token(self.namespace.name(), ACCOUNT, audiences)
            .await
    }

    /// A pod that reads the Secret.
    pub async fn pod(&self) -> Pod {
        self.pod_through(self.cluster.url()).await
    }

    /// A pod that reads the Secret through `url`.
    pub async fn pod_through(&self, url: &str) -> Pod {
        let pod = Pod::kubernetes(url, &self.token(&[]).await);
        let authority = pod.file("ca.crt", self.cluster.authority());
        pod.with("SIDECAR_KUBERNETES_CA_FILE", &authority)
            .with("SIDECAR_KUBERNETES_NAMESPACE", self.namespace.name())
    }

    /// The user name of the account in the audit log.
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{}:{ACCOUNT}", self.namespace.name())
    }

    async fn until_it_may_read(&self) {
        let namespace = self.namespace.name();
        let right = ResourceAttributes {
            resource: Some("secrets".into()),
            verb: Some("get".into()),
            name: Some(NAME.into()),
            namespace: Some(namespace.into()),
            ..ResourceAttributes::default()
        };
        let account = (namespace, ACCOUNT);
        self.cluster.until_allowed(account, &right).await;
    }

    async fn create<K>(&self, object: Value)
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K: Clone + std::fmt::Debug + serde::de::DeserializeOwned + serde::Serialize,
        <K as kube::Resource>::DynamicType: Default,
    {
        let object: K = serde_json::from_value(object).unwrap();
        let api: Api<K> = Api::namespaced(self.client.clone(), self.namespace.name());
        api.create(&PostParams::default(), &object).await.unwrap();
    }
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
