//! The server's defaults are those of the Rust types, and they are stable.

use erpgo_crds::ErpGo;
use erpgo_tests::{cluster, manifests};

#[tokio::test]
async fn the_server_fills_in_what_the_types_fill_in() {
    let cluster = cluster::with_definition().await.unwrap();
    for example in manifests::examples().unwrap() {
        let namespace = cluster.namespace("defaults").await;
        for document in &example.documents {
            let typed: ErpGo = serde_json::from_value(document.clone()).unwrap();
            let served = stored_spec(&cluster, namespace.name(), document).await;
            similar_asserts::assert_eq!(
                served,
                serde_json::to_value(&typed.spec).unwrap(),
                "{}",
                example.name
            );
        }
    }
}

/// The spec as the server stores it, untouched by the Rust types.
async fn stored_spec(
    cluster: &erpgo_test_kit::apiserver::TestCluster,
    namespace: &str,
    document: &serde_json::Value,
) -> serde_json::Value {
    use kube::api::{Api, ApiResource, DynamicObject};
    let name = cluster::apply(cluster, namespace, document)
        .await
        .unwrap()
        .metadata
        .name
        .unwrap();
    let resource = ApiResource::erase::<ErpGo>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client(), namespace, &resource);
    api.get(&name).await.unwrap().data["spec"].clone()
}

#[tokio::test]
async fn writing_back_what_was_read_changes_nothing() {
    let cluster = cluster::with_definition().await.unwrap();
    let namespace = cluster.namespace("defaults").await;
    let example = manifests::examples().unwrap().remove(0);
    let applied = cluster::apply(&cluster, namespace.name(), &example.documents[0])
        .await
        .unwrap();
    let api: kube::Api<ErpGo> = kube::Api::namespaced(cluster.client(), namespace.name());
    let name = applied.metadata.name.clone().unwrap();
    let replaced = api
        .replace(&name, &Default::default(), &applied)
        .await
        .unwrap();
    assert_eq!(replaced.metadata.generation, Some(1));
    assert_eq!(replaced.spec, applied.spec);
}
