//! The shared API server gives isolated namespaces, real accounts and an audit log; a private one
//! can be stopped and started.

use erpgo_test_kit::apiserver::{self, TestCluster};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::{Client, Config};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

async fn client_of(kubeconfig: &Path) -> Client {
    let file = kube::config::Kubeconfig::read_from(kubeconfig).unwrap();
    Client::try_from(
        Config::from_custom_kubeconfig(file, &Default::default())
            .await
            .unwrap(),
    )
    .unwrap()
}

async fn create_config_map(client: Client, namespace: &str, name: &str) -> kube::Result<ConfigMap> {
    let object = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
    Api::namespaced(client, namespace)
        .create(&PostParams::default(), &object)
        .await
}

fn writes(cluster: &TestCluster, namespace: &str, user: &str) -> Vec<(String, String)> {
    let events = cluster
        .audit_writes(namespace)
        .into_iter()
        .filter(|event| event.user == user);
    events.map(|event| (event.verb, event.name)).collect()
}

#[tokio::test]
async fn the_cluster_is_shared_and_found_again_at_once() {
    let first = apiserver::cluster().await;
    // The best of three: a busy machine makes any one of them late.
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        let started = Instant::now();
        let again = apiserver::cluster().await;
        fastest = fastest.min(started.elapsed());
        assert_eq!(first.url(), again.url());
    }
    assert!(fastest < Duration::from_secs(1), "{fastest:?}");
}

#[tokio::test]
async fn namespaces_are_separate_and_go_with_their_handle() {
    let cluster = apiserver::cluster().await;
    let (one, other) = (
        cluster.namespace("kit").await,
        cluster.namespace("kit").await,
    );
    create_config_map(cluster.client(), one.name(), "mark")
        .await
        .unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), other.name());
    assert!(
        maps.list(&ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let name = one.name().to_owned();
    let namespaces: Api<Namespace> = Api::all(cluster.client());
    assert!(namespaces.get_opt(&name).await.unwrap().is_some());
    drop(one);
    assert!(namespaces.get_opt(&name).await.unwrap().is_none());
}

#[tokio::test]
async fn a_service_account_is_itself_and_may_do_nothing_ungranted() {
    let cluster = apiserver::cluster().await;
    let namespace = cluster.namespace("kit").await;
    let account: ServiceAccount =
        serde_json::from_value(json!({"metadata": {"name": "robot"}})).unwrap();
    let accounts = Api::namespaced(cluster.client(), namespace.name());
    accounts
        .create(&PostParams::default(), &account)
        .await
        .unwrap();
    let robot = client_of(
        &cluster
            .kubeconfig_for_service_account(namespace.name(), "robot")
            .await,
    )
    .await;
    let refused = create_config_map(robot, namespace.name(), "mark")
        .await
        .unwrap_err()
        .to_string();
    let user = format!("system:serviceaccount:{}:robot", namespace.name());
    assert!(refused.contains(&user), "{refused}");
    let admin = client_of(&cluster.kubeconfig()).await;
    create_config_map(admin, namespace.name(), "mark")
        .await
        .unwrap();
}

#[tokio::test]
async fn the_audit_log_tells_who_wrote_what_and_keeps_reads_apart() {
    let cluster = apiserver::cluster().await;
    let namespace = cluster.namespace("kit").await;
    create_config_map(cluster.client(), namespace.name(), "mark")
        .await
        .unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), namespace.name());
    maps.get("mark").await.unwrap();
    maps.delete("mark", &DeleteParams::default()).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let expected = [("create", "mark"), ("delete", "mark")];
    loop {
        let seen = writes(&cluster, namespace.name(), "test-admin");
        let of_map: Vec<_> = seen
            .iter()
            .filter(|(_, name)| name == "mark")
            .map(|(v, n)| (v.as_str(), n.as_str()))
            .collect();
        if of_map == expected {
            break;
        }
        assert!(Instant::now() < deadline, "{seen:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        cluster
            .audit(namespace.name())
            .iter()
            .any(|event| event.verb == "get" && event.name == "mark")
    );
}

#[tokio::test]
async fn prometheus_definitions_are_served() {
    let cluster = apiserver::cluster().await;
    cluster.install_prometheus_crds().await;
    let namespace = cluster.namespace("kit").await;
    let path = format!(
        "/apis/monitoring.coreos.com/v1/namespaces/{}/servicemonitors",
        namespace.name()
    );
    let request = http::Request::get(path).body(Vec::new()).unwrap();
    assert!(
        cluster
            .client()
            .request_text(request)
            .await
            .unwrap()
            .contains("ServiceMonitorList")
    );
}

/// Waits for what the controller manager puts into each namespace. It ends when the API server is away
/// before it has begun, and then it has.
async fn has_root_authority(client: Client, namespace: &str) {
    let maps: Api<ConfigMap> = Api::namespaced(client, namespace);
    let deadline = Instant::now() + Duration::from_secs(60);
    while maps.get_opt("kube-root-ca.crt").await.unwrap().is_none() {
        assert!(
            Instant::now() < deadline,
            "the controller manager did not begin"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_private_cluster_stops_starts_and_runs_controllers() {
    let mut cluster = apiserver::private().await.with_controller_manager();
    let namespace = cluster.namespace("kit").await;
    has_root_authority(cluster.client(), namespace.name()).await;
    cluster.stop();
    assert!(
        create_config_map(cluster.client(), namespace.name(), "mark")
            .await
            .is_err()
    );
    cluster.start();
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "idle"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "idle"}},
            "template": {
                "metadata": {"labels": {"app": "idle"}},
                "spec": {"containers": [{"name": "idle", "image": "none"}]},
            },
        },
    }))
    .unwrap();
    Api::namespaced(cluster.client(), namespace.name())
        .create(&PostParams::default(), &deployment)
        .await
        .unwrap();
    let sets: Api<ReplicaSet> = Api::namespaced(cluster.client(), namespace.name());
    let deadline = Instant::now() + Duration::from_secs(60);
    while sets
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
        .is_empty()
    {
        assert!(
            Instant::now() < deadline,
            "the controller manager made no ReplicaSet"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
