//! The shared API server with the `ErpGo` definition, and requests as a user makes them.

use erpgo_crds::ErpGo;
use erpgo_test_kit::apiserver::{self, TestCluster};
use kube::api::{Api, Patch, PatchParams};
use serde_json::Value;

/// The shared cluster, serving the definition that the types generate.
pub async fn with_definition() -> anyhow::Result<TestCluster> {
    let cluster = apiserver::cluster().await;
    define(&cluster).await?;
    Ok(cluster)
}

/// Has `cluster` serve the definition that the types generate.
pub async fn define(cluster: &TestCluster) -> anyhow::Result<()> {
    cluster.install_crd(&erpgo_crds::crd_yaml()?).await;
    Ok(())
}

/// Applies an `ErpGo` the way `kubectl apply --server-side` does: unknown fields are an error.
pub async fn apply(
    cluster: &TestCluster,
    namespace: &str,
    document: &Value,
) -> kube::Result<ErpGo> {
    let name = document["metadata"]["name"].as_str().unwrap_or_default();
    let api: Api<ErpGo> = Api::namespaced(cluster.client(), namespace);
    api.patch(
        name,
        &PatchParams::apply("kubectl").validation_strict(),
        &Patch::Apply(document),
    )
    .await
}
