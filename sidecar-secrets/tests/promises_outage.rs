//! What the sidecar promises when the backend misbehaves: the right class, the wait that was asked
//! for, no hot loop, and nothing of a broken answer on the tmpfs or in the log.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is missing"
)]

mod support;

use std::time::Duration;

use serde_json::Value;
use support::faulty::{Fault, Faulty};
use support::kubernetes::Store;
use support::{LIMIT, Pod, Sidecar, UNREACHABLE, ack, document, rendered};

// Reads until the first attempt has failed, and checks that it left nothing behind.
async fn class(pod: &Pod) -> (Sidecar, String) {
    let sidecar = pod.start().await;
    let state = sidecar
        .state_where(|state| !state["backend"]["error_class"].is_null())
        .await;
    assert_eq!(state["backend"]["healthy"], false);
    assert_eq!(state["rendered_generation"], serde_json::Value::Null);
    assert_eq!(rendered(&pod.secrets()), None);
    assert_eq!(std::fs::read_dir(pod.secrets()).unwrap().count(), 0);
    let class = state["backend"]["error_class"].as_str().unwrap().to_owned();
    (sidecar, class)
}

async fn kubernetes_class(fault: Fault) -> String {
    let faulty = Faulty::start(fault).await;
    class(&Pod::kubernetes(&faulty.url(), "token")).await.1
}

async fn vault_class(fault: Fault) -> String {
    let faulty = Faulty::start(fault).await;
    class(&Pod::vault(&faulty.url(), "role", "secret")).await.1
}

#[tokio::test]
async fn each_fault_of_an_api_server_has_its_class() {
    assert_eq!(
        kubernetes_class(Fault::Status("429 Too Many Requests")).await,
        "throttled"
    );
    assert_eq!(
        kubernetes_class(Fault::Status("503 Service Unavailable")).await,
        "unreachable"
    );
    assert_eq!(
        kubernetes_class(Fault::Status("500 Internal Server Error")).await,
        "unreachable"
    );
    assert_eq!(
        kubernetes_class(Fault::Status("307 Temporary Redirect")).await,
        "unreachable"
    );
    assert_eq!(kubernetes_class(Fault::Truncate).await, "unreachable");
    assert_eq!(kubernetes_class(Fault::Oversize).await, "malformed");
}

#[tokio::test]
async fn each_fault_of_a_vault_has_its_class() {
    assert_eq!(
        vault_class(Fault::Status("429 Too Many Requests")).await,
        "throttled"
    );
    assert_eq!(
        vault_class(Fault::Status("503 Service Unavailable")).await,
        "sealed"
    );
    assert_eq!(
        vault_class(Fault::Status("472 Standby")).await,
        "unreachable"
    );
    let nobody = r#"{"errors":["no active Vault instance found"]}"#.to_owned();
    assert_eq!(
        vault_class(Fault::Answer("503 Service Unavailable", nobody)).await,
        "unreachable"
    );
    assert_eq!(
        vault_class(Fault::Status("307 Temporary Redirect")).await,
        "unreachable"
    );
    assert_eq!(vault_class(Fault::Truncate).await, "unreachable");
    assert_eq!(vault_class(Fault::Oversize).await, "malformed");
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up_after_five_seconds() {
    let faulty = Faulty::start(Fault::Stall).await;
    let pod = Pod::kubernetes(&faulty.url(), "token");
    let (mut sidecar, class) = class(&pod).await;
    assert_eq!(class, "unreachable");
    sidecar
        .process
        .wait_for_line("no whole answer within 5 s", LIMIT)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_answer_that_is_none_is_not_quoted() {
    let faulty = Faulty::start(Fault::Text(
        r#"{"auth":{"client_token":{"canary":1}},"data":"canary"}"#,
    ))
    .await;
    for pod in [
        Pod::kubernetes(&faulty.url(), "token"),
        Pod::vault(&faulty.url(), "role", "secret"),
    ] {
        let (sidecar, class) = class(&pod).await;
        assert_eq!(class, "malformed");
        assert!(!sidecar.process.output().contains("canary"));
    }
}

#[tokio::test]
async fn retry_after_is_obeyed_by_both_backends_even_when_nudged() {
    let throttle = Fault::Status("429 Too Many Requests\r\nretry-after: 3");
    let sealed = Fault::Status("503 Service Unavailable\r\nretry-after: 3");
    let (kubernetes, vault) = (Faulty::start(throttle).await, Faulty::start(sealed).await);
    let pods = [
        (&kubernetes, Pod::kubernetes(&kubernetes.url(), "token")),
        (&vault, Pod::vault(&vault.url(), "role", "secret")),
    ];
    for (faulty, pod) in pods {
        let (sidecar, _) = class(&pod).await;
        let nudge = support::Request::new("PUT", "/v1/generation/1?timeout_seconds=6");
        assert_eq!(
            nudge
                .bearer(support::TOKEN)
                .send(sidecar.control)
                .await
                .status,
            504
        );
        let times = faulty.times();
        assert!(times.len() >= 2, "{} attempts", times.len());
        for pair in times.windows(2) {
            assert!(
                pair[1] - pair[0] >= Duration::from_secs(3),
                "{:?}",
                pair[1] - pair[0]
            );
        }
    }
}

#[tokio::test]
async fn failures_are_retried_after_a_jittered_and_bounded_wait() {
    let faulty = Faulty::start(Fault::Status("500 Internal Server Error")).await;
    let pod = Pod::kubernetes(&faulty.url(), "token");
    let sidecar = pod.start().await;
    let five = async {
        while faulty.times().len() < 5 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, five).await.unwrap();
    faulty.was_asked_within_the_bounds();
    drop(sidecar);
}

#[tokio::test]
async fn a_vault_login_carries_its_namespace_and_no_token() {
    let faulty = Faulty::start(Fault::Status("500 Internal Server Error")).await;
    let pod = Pod::vault(&faulty.url(), "role", "secret").with("SIDECAR_VAULT_NAMESPACE", "team/a");
    class(&pod).await;
    let head = faulty.heads().remove(0).to_lowercase();
    assert!(
        head.starts_with("post /v1/auth/approle/login http/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("x-vault-namespace: team/a\r\n"));
    assert!(head.contains("x-vault-request: true\r\n"));
    assert!(!head.contains("x-vault-token"));
}

#[tokio::test]
async fn an_api_server_that_goes_away_leaves_the_last_good_set_in_use() {
    let store = Store::with(&document(1, "-a")).await;
    let proxy = erpgo_test_kit::proxy::tcp(store.cluster.address()).await;
    let pod = store
        .pod_through(&format!("https://{}", proxy.address()))
        .await;
    let sidecar = pod.with("SIDECAR_POLL_INTERVAL", "5").start().await;
    let state = sidecar.renders(1).await;
    assert_eq!(state["backend"]["stale_since"], Value::Null);
    proxy.cut();
    let stale = sidecar.fails_with("unreachable").await;
    assert_eq!(stale["rendered_generation"], 1);
    assert_eq!(stale["backend"]["healthy"], false);
    let since = stale["backend"]["stale_since"].clone();
    assert!(since.is_string());
    assert_eq!(
        sidecar.answer(&ack(1)).await,
        204,
        "the app is served during an outage"
    );
    let started = support::Request::get("/health/started")
        .send(sidecar.control)
        .await;
    assert_eq!(started.status, 200);
    store.put(&document(2, "-b")).await;
    sidecar.counts(UNREACHABLE, 2).await;
    let still = sidecar.state().await;
    assert_eq!(
        (
            &still["backend"]["stale_since"],
            &still["rendered_generation"]
        ),
        (&since, &Value::from(1))
    );
    proxy.resume();
    let state = sidecar.renders(2).await;
    assert_eq!(state["backend"]["healthy"], true);
    assert_eq!(state["backend"]["stale_since"], Value::Null);
}

#[tokio::test]
async fn a_set_found_at_start_serves_while_the_api_server_is_away() {
    let store = Store::with(&document(1, "-a")).await;
    let proxy = erpgo_test_kit::proxy::tcp(store.cluster.address()).await;
    let pod = store
        .pod_through(&format!("https://{}", proxy.address()))
        .await;
    pod.start().await.renders(1).await;
    proxy.cut();
    let restarted = jiff::Timestamp::now();
    let sidecar = pod.start().await;
    let state = sidecar.fails_with("unreachable").await;
    assert_eq!(state["rendered_generation"], 1);
    // The age of the set is that of its last read, not of this process.
    let since = state["backend"]["stale_since"].as_str().unwrap();
    assert!(
        since.parse::<jiff::Timestamp>().unwrap() < restarted,
        "{since}"
    );
    let started = support::Request::get("/health/started")
        .send(sidecar.control)
        .await;
    assert_eq!(started.status, 200);
}

#[tokio::test]
async fn a_document_that_is_deleted_leaves_the_last_good_set_in_use() {
    let store = Store::with(&document(1, "-a")).await;
    let pod = store.pod().await.with("SIDECAR_POLL_INTERVAL", "5");
    let sidecar = pod.start().await;
    sidecar.renders(1).await;
    store.delete().await;
    sidecar.fails_with("not_found").await;
    assert_eq!(rendered(&pod.secrets()), Some(1));
}
