//! Sidecars that say why they have no secret set, while the operator reads it well.

use std::net::Ipv4Addr;

use erpgo_crds::ErpGo;
use erpgo_secret_set::{BackendState, ErrorClass, PodState, ToldClass};
use erpgo_tests::shop::Shop;
use hyper::Response;
use kube::client::Body;
use serde_json::json;
use tokio::net::TcpListener;

use super::http;

/// Where the operator asks a pod.
const PORT: u16 = 8790;

/// The first address at which the port is free: it is the same for all pods.
async fn listen() -> (TcpListener, Ipv4Addr) {
    for number in 1..=254 {
        let address = Ipv4Addr::new(127, 0, 92, number);
        if let Ok(listener) = TcpListener::bind((address, PORT)).await {
            return (listener, address);
        }
    }
    panic!("port {PORT} is taken at every address");
}

/// As a sidecar answers whose role may not read.
fn denied() -> anyhow::Result<Response<Body>> {
    let state = PodState {
        backend: BackendState {
            error_class: Some(ToldClass::Known(ErrorClass::Denied)),
            ..BackendState::default()
        },
        ..PodState::default()
    };
    Ok(Response::new(Body::from(serde_json::to_vec(&state)?)))
}

#[tokio::test]
async fn a_migration_whose_sidecar_may_not_read_is_not_said_to_need_nothing() {
    let (shop, _operator) = Shop::with_operator("sidecars").await.unwrap();
    shop.apply(&json!({})).await.unwrap();
    let job = shop.unfinished_job("migration").await.unwrap();
    let (listener, address) = listen().await;
    let answers = tokio::spawn(http::serve(listener, |_| async { denied() }));
    let name = job.metadata.name.unwrap();
    let template = job.spec.unwrap().template;
    let pod = format!("{name}-x");
    let waits = json!({"phase": "Pending", "podIP": address, "podIPs": [{"ip": address}],
        "initContainerStatuses": [{"name": "secrets", "image": "s", "imageID": "", "ready": false,
            "restartCount": 0, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]});
    shop.pod(&template, &pod, &waits).await.unwrap();

    shop.wait_condition("Degraded", "True").await.unwrap();
    answers.abort();
    let erpgo: ErpGo = shop.get("shop").await.unwrap();
    let conditions = erpgo.status.unwrap().conditions;
    let degraded = conditions.iter().find(|told| told.type_ == "Degraded");
    let told = degraded.unwrap();
    assert_eq!(told.reason, "BackendUnreachable");
    for words in [pod.as_str(), "(denied)", "policy"] {
        assert!(told.message.contains(words), "{words}: {}", told.message);
    }
}
