//! What the sidecar promises of a Vault: it logs in, renews, logs in again when it must and not
//! more often, and survives seal, outage and revocation with the last good set.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is missing"
)]

mod support;

use std::collections::BTreeSet;
use std::time::Instant;

use erpgo_test_kit::proxy;
use erpgo_test_kit::vault::{self, TestVault};
use serde_json::{Value, json};
use support::kubernetes::Store;
use support::{LIMIT, LOGINS, Pod, UNREACHABLE, ack, document, rendered};

const PATH: &str = "erpgo/shop";
const FAILED_LOGINS: &str = "erpgo_sidecar_logins_total{result=\"failed\"}";
const RENEWALS: &str = "erpgo_sidecar_token_renewals_total{result=\"ok\"}";
const FAILED_RENEWALS: &str = "erpgo_sidecar_token_renewals_total{result=\"failed\"}";
const THROTTLED: &str = "erpgo_sidecar_reads_total{result=\"failed\",class=\"throttled\"}";

async fn put(vault: &TestVault, document: &str) {
    vault.kv_put(PATH, &json!({"document": document})).await;
}

// A Vault with a document and a policy that lets it be read.
async fn filled() -> TestVault {
    let vault = vault::server().await;
    put(&vault, &document(1, "-a")).await;
    vault.read_policy("shop", PATH).await;
    vault
}

// The same, and an AppRole whose tokens live for `ttl`.
async fn store(ttl: &str, policies: &[&str]) -> (TestVault, Pod) {
    let vault = filled().await;
    vault.enable_approle().await;
    let role = vault.approle("shop", policies, ttl).await;
    let pod = Pod::vault(&vault.url(), &role.role_id, &role.secret_id);
    let pod = pod.with("SIDECAR_POLL_INTERVAL", "5");
    (vault, pod)
}

#[tokio::test]
async fn an_approle_login_renders_and_a_nudge_brings_the_next() {
    let (vault, pod) = store("20m", &["shop"]).await;
    let sidecar = pod.with("SIDECAR_POLL_INTERVAL", "3600").start().await;
    sidecar.renders(1).await;
    put(&vault, &document(2, "-b")).await;
    let waiting = tokio::spawn(support::nudge(sidecar.control, 2, 30));
    sidecar.renders(2).await;
    assert_eq!(sidecar.answer(&ack(2)).await, 204);
    assert_eq!(waiting.await.unwrap().status, 200);
    assert_eq!(sidecar.metric(LOGINS).await, Some(1));
}

// One for `others` is refused, and the next is read when it lies there.
async fn a_token_for_vault_is_waited_for(
    store: &Store,
    vault: &TestVault,
    auth: &str,
    others: &[&str],
) {
    let pod = Pod::vault(&vault.url(), "", "").with("SIDECAR_VAULT_AUTH", auth);
    let jwt = pod.file("jwt", &store.token(others).await);
    let pod = pod
        .with("SIDECAR_VAULT_ROLE", "shop")
        .with("SIDECAR_VAULT_JWT_FILE", &jwt);
    let sidecar = pod.start().await;
    sidecar.fails_with("denied").await;
    pod.file("jwt", &store.token(&["vault"]).await);
    sidecar.renders(1).await;
}

#[tokio::test]
async fn a_projected_token_logs_in_and_is_read_again_at_each_login() {
    let (store, vault) = (Store::empty().await, filled().await);
    vault.enable_kubernetes(&store.cluster).await;
    vault
        .kubernetes_role("shop", (store.namespace.name(), "shop"), "vault", &["shop"])
        .await;
    a_token_for_vault_is_waited_for(&store, &vault, "kubernetes", &[]).await;
}

#[tokio::test]
async fn a_projected_token_logs_in_by_jwt_without_asking_the_cluster() {
    let (store, vault) = (Store::empty().await, filled().await);
    vault.enable_jwt(&store.cluster).await;
    let account = (store.namespace.name(), "shop");
    vault.jwt_role("shop", account, "vault", &["shop"]).await;
    a_token_for_vault_is_waited_for(&store, &vault, "jwt", &["other"]).await;
}

#[tokio::test]
async fn a_token_at_its_maximum_is_replaced_by_a_login_before_it_ends() {
    // Its last quarter is longer than a busy machine keeps the sidecar waiting.
    let (vault, pod) = store("8s", &["shop"]).await;
    let limits = json!({"token_ttl": "8s", "token_max_ttl": "16s"});
    vault.write("auth/approle/role/shop", &limits).await;
    let sidecar = pod.start().await;
    sidecar.counts(LOGINS, 3).await;
    let denied = "erpgo_sidecar_reads_total{result=\"failed\",class=\"denied\"}";
    assert_eq!(sidecar.metric(denied).await, Some(0));
    assert_eq!(sidecar.state().await["backend"]["healthy"], true);
}

#[tokio::test]
async fn a_short_token_is_renewed_and_not_replaced() {
    // Its last quarter is longer than a busy machine keeps the sidecar waiting.
    let (_vault, pod) = store("10s", &["shop"]).await;
    let sidecar = pod.start().await;
    sidecar.counts(RENEWALS, 3).await;
    assert_eq!(sidecar.metric(LOGINS).await, Some(1));
    assert_eq!(sidecar.state().await["backend"]["healthy"], true);
}

#[tokio::test]
async fn a_revoked_token_is_replaced_within_the_same_read() {
    let (vault, pod) = store("20m", &["shop"]).await;
    let sidecar = pod.start().await;
    sidecar.renders(1).await;
    vault
        .write("sys/leases/revoke-prefix/auth/approle/login", &json!({}))
        .await;
    put(&vault, &document(2, "-b")).await;
    sidecar.renders(2).await;
    assert_eq!(sidecar.metric(LOGINS).await, Some(2));
    let denied = "erpgo_sidecar_reads_total{result=\"failed\",class=\"denied\"}";
    assert_eq!(
        sidecar.metric(denied).await,
        Some(0),
        "the read itself did not fail"
    );
}

#[tokio::test]
async fn a_missing_policy_is_denied_and_costs_one_login_not_a_stream_of_them() {
    let (_vault, pod) = store("20m", &[]).await;
    let sidecar = pod.start().await;
    sidecar.fails_with("denied").await;
    sidecar
        .counts(
            "erpgo_sidecar_reads_total{result=\"failed\",class=\"denied\"}",
            4,
        )
        .await;
    assert_eq!(sidecar.metric(LOGINS).await, Some(1));
    assert_eq!(sidecar.state().await["rendered_generation"], Value::Null);
}

#[tokio::test]
async fn a_wrong_secret_id_is_denied_and_a_replaced_one_is_used() {
    let (vault, pod) = store("20m", &["shop"]).await;
    let good = vault.approle("shop", &["shop"], "20m").await;
    pod.file("secret-id", "00000000-0000-0000-0000-000000000000");
    let sidecar = pod.start().await;
    sidecar.fails_with("denied").await;
    pod.file("secret-id", &good.secret_id);
    sidecar.renders(1).await;
}

#[tokio::test]
async fn a_sealed_vault_leaves_the_last_good_set_in_use() {
    let (vault, pod) = store("20m", &["shop"]).await;
    let sidecar = pod.start().await;
    sidecar.renders(1).await;
    vault.seal().await;
    let state = sidecar.fails_with("sealed").await;
    assert_eq!(state["rendered_generation"], 1);
    assert!(state["backend"]["stale_since"].is_string());
    assert_eq!(sidecar.answer(&ack(1)).await, 204, "the app is served");
    vault.unseal().await;
    let state = sidecar.recovers().await;
    assert_eq!(state["backend"]["stale_since"], Value::Null);
    assert_eq!(
        sidecar.metric(LOGINS).await,
        Some(1),
        "the token outlived the seal"
    );
}

#[tokio::test]
async fn a_vault_that_hangs_is_given_up_and_found_again() {
    let (vault, pod) = store("20m", &["shop"]).await;
    let sidecar = pod.start().await;
    sidecar.renders(1).await;
    vault.pause();
    let state = sidecar.fails_with("unreachable").await;
    assert_eq!(state["rendered_generation"], 1);
    vault.resume();
    sidecar.recovers().await;
}

// From now on Vault refuses who asked twice within a second for the ten that follow, as it does this test.
async fn throttle(vault: &TestVault) {
    let headers = json!({"enable_rate_limit_response_headers": true});
    vault.write("sys/quotas/config", &headers).await;
    let quota = json!({"path": "secret/", "rate": 1, "interval": "1s", "block_interval": "10s"});
    vault.write("sys/quotas/rate-limit/mount", &quota).await;
    let refused = async { while ask(vault).await != 429 {} };
    tokio::time::timeout(LIMIT, refused).await.unwrap();
}

async fn ask(vault: &TestVault) -> u16 {
    let request = support::Request::get(&format!("/v1/secret/data/{PATH}"))
        .header("x-vault-token", vault.root_token())
        .header("connection", "close");
    request.send(vault.address().port()).await.status
}

#[tokio::test]
async fn a_vault_that_throttles_is_left_alone_as_long_as_it_asks_even_when_nudged() {
    let (vault, pod) = store("20m", &["shop"]).await;
    let sidecar = pod.with("SIDECAR_POLL_INTERVAL", "3600").start().await;
    sidecar.renders(1).await;
    put(&vault, &document(2, "-b")).await;
    throttle(&vault).await;
    sidecar.nudge(2, 0).await;
    let state = sidecar.fails_with("throttled").await;
    assert_eq!(state["rendered_generation"], 1);
    assert!(state["backend"]["stale_since"].is_string());
    assert_eq!(sidecar.answer(&ack(1)).await, 204, "the app is served");
    let renders = async {
        while sidecar.state().await["rendered_generation"] != 2 {
            sidecar.nudge(2, 1).await;
        }
    };
    tokio::time::timeout(LIMIT, renders).await.unwrap();
    assert_eq!(
        sidecar.recovers().await["backend"]["stale_since"],
        Value::Null
    );
    // One that is told to wait, and two in the part of a second that whole seconds leave out.
    let throttled = sidecar.metric(THROTTLED).await;
    assert!((Some(1)..=Some(3)).contains(&throttled), "{throttled:?}");
    assert_eq!(sidecar.metric(LOGINS).await, Some(1));
}

#[tokio::test]
async fn a_token_that_ends_while_vault_hangs_is_replaced_by_one_login() {
    let (vault, pod) = store("10s", &["shop"]).await;
    let sidecar = pod.start().await;
    sidecar.renders(1).await;
    vault.pause();
    // It logs in again only when its token has ended.
    sidecar.counts(FAILED_LOGINS, 1).await;
    assert_eq!(sidecar.answer(&ack(1)).await, 204, "the app is served");
    vault.resume();
    assert_eq!(sidecar.recovers().await["rendered_generation"], 1);
    let renewed = sidecar.metric(RENEWALS).await.unwrap();
    sidecar.counts(RENEWALS, renewed + 2).await;
    assert_eq!(sidecar.metric(LOGINS).await, Some(2));
    put(&vault, &document(2, "-b")).await;
    sidecar.renders(2).await;
}

#[tokio::test]
async fn a_token_that_ends_while_vault_is_cut_off_costs_no_stream_of_requests() {
    let (vault, pod) = store("4s", &["shop"]).await;
    let proxy = proxy::tcp(vault.address()).await;
    let sidecar = pod
        .with("SIDECAR_VAULT_ADDRESS", &proxy.url(&vault.url()))
        .start()
        .await;
    sidecar.renders(1).await;
    let begun = Instant::now();
    proxy.cut();
    sidecar.counts(FAILED_LOGINS, 3).await;
    let mut tried = 0;
    for series in [UNREACHABLE, FAILED_RENEWALS] {
        tried += sidecar.metric(series).await.unwrap();
    }
    // Reads and renewals each wait for half a second at least.
    assert!(tried <= 2 + 4 * (1 + begun.elapsed().as_secs()), "{tried}");
    proxy.resume();
    assert_eq!(sidecar.recovers().await["rendered_generation"], 1);
    assert_eq!(sidecar.metric(LOGINS).await, Some(2));
}

#[tokio::test]
async fn a_deleted_document_is_not_found_and_one_without_the_field_is_malformed() {
    let (vault, pod) = store("20m", &["shop"]).await;
    let sidecar = pod.start().await;
    sidecar.renders(1).await;
    vault.delete(&format!("secret/data/{PATH}")).await;
    sidecar.fails_with("not_found").await;
    vault.kv_put(PATH, &json!({"canary": "canary"})).await;
    sidecar.fails_with("malformed").await;
    assert_eq!(rendered(&pod.secrets()), Some(1));
    assert!(!sidecar.process.output().contains("canary\""));
}

#[tokio::test]
async fn i04_neither_token_nor_secret_id_nor_value_is_logged() {
    let (vault, pod) = store("4s", &["shop"]).await;
    let role = vault.approle("shop", &["shop"], "4s").await;
    pod.file("secret-id", &role.secret_id);
    let mut sidecar = pod.start().await;
    sidecar.counts(RENEWALS, 1).await;
    let mut seen = sidecar.state().await.to_string();
    seen += &support::Request::get("/metrics")
        .send(sidecar.control)
        .await
        .body;
    sidecar
        .process
        .signal(erpgo_test_kit::Signal::TERM)
        .unwrap();
    sidecar.process.wait(LIMIT).await.unwrap();
    seen += &sidecar.process.output();
    assert!(seen.contains("logged in to Vault"));
    for secret in ["hvs.", &role.secret_id, "hunter2", "mU3xQ9vT"] {
        assert!(!seen.contains(secret), "{secret} in {seen}");
    }
}

// Every token of Vault in this memory.
fn tokens(memory: &[u8]) -> BTreeSet<String> {
    let begins = b"hvs.";
    let found = memory.windows(begins.len()).enumerate();
    let found = found.filter(|(_, window)| window == begins);
    let token = |(at, _)| -> String {
        let text = memory[at..].iter().map(|byte| char::from(*byte));
        let part = |letter: &char| letter.is_ascii_alphanumeric() || "._-".contains(*letter);
        text.take_while(part).collect()
    };
    found.map(token).collect()
}

/// A dump of the process would hold the token that it uses, and nothing else that opens anything: no
/// value, no secret id, no token of before.
#[tokio::test]
async fn i04_of_values_and_logins_only_the_token_in_use_stays_in_memory() {
    let (vault, pod) = store("20m", &["shop"]).await;
    let role = vault.approle("shop", &["shop"], "20m").await;
    pod.file("secret-id", &role.secret_id);
    let sidecar = pod.with("SIDECAR_POLL_INTERVAL", "3600").start().await;
    sidecar.renders(1).await;
    let pid = sidecar.process.id().unwrap();
    let first = tokens(&support::memory(pid));
    assert_eq!(first.len(), 1, "the search works");
    vault
        .write("sys/leases/revoke-prefix/auth/approle/login", &json!({}))
        .await;
    put(&vault, &document(2, "-b")).await;
    sidecar.nudge(2, 0).await;
    sidecar.renders(2).await;
    assert_eq!(sidecar.metric(LOGINS).await, Some(2));
    let memory = support::memory(pid);
    let second = tokens(&memory);
    assert_eq!(second.len(), 1);
    assert!(first.is_disjoint(&second), "the token of before is gone");
    for text in ["hunter2", "mU3xQ9vT", "b7VhK2sX", &role.secret_id] {
        assert_eq!(support::find(&memory, text), None, "{text}");
    }
}
