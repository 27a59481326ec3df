//! Vault holds secrets, logs clients in by AppRole and by service account, and can be sealed.

use erpgo_test_kit::{apiserver, vault};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use reqwest::StatusCode;
use serde_json::{Value, json};

async fn login(vault: &vault::TestVault, method: &str, body: Value) -> (StatusCode, Value) {
    let url = format!("{}/v1/auth/{method}/login", vault.url());
    let answer = reqwest::Client::new()
        .post(url)
        .json(&body)
        .send()
        .await
        .unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn read_as(vault: &vault::TestVault, token: &str, path: &str) -> StatusCode {
    let url = format!("{}/v1/secret/data/{path}", vault.url());
    reqwest::Client::new()
        .get(url)
        .header("X-Vault-Token", token)
        .send()
        .await
        .unwrap()
        .status()
}

#[tokio::test]
async fn an_approle_reads_its_secret_and_no_other() {
    let vault = vault::server().await;
    vault.kv_put("shop", &json!({"document": "{}"})).await;
    vault.kv_put("other", &json!({"document": "{}"})).await;
    vault.read_policy("shop", "shop").await;
    vault.enable_approle().await;
    let role = vault.approle("shop", &["shop"], "30s").await;
    let (status, answer) = login(
        &vault,
        "approle",
        json!({"role_id": role.role_id, "secret_id": role.secret_id}),
    )
    .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let token = answer["auth"]["client_token"].as_str().unwrap();
    assert_eq!(read_as(&vault, token, "shop").await, StatusCode::OK);
    assert_eq!(read_as(&vault, token, "other").await, StatusCode::FORBIDDEN);
    assert_eq!(vault.kv_get("shop").await.unwrap()["document"], "{}");
    assert_eq!(vault.kv_get("absent").await, None);
}

#[tokio::test]
async fn a_sealed_server_refuses_until_it_is_unsealed_and_keeps_its_secrets() {
    let vault = vault::server().await;
    vault.kv_put("shop", &json!({"document": "kept"})).await;
    vault.seal().await;
    assert_eq!(
        read_as(&vault, vault.root_token(), "shop").await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    vault.unseal().await;
    assert_eq!(vault.kv_get("shop").await.unwrap()["document"], "kept");
}

#[tokio::test]
async fn a_service_account_logs_in_with_the_right_audience_alone() {
    let (cluster, vault) = (apiserver::cluster().await, vault::server().await);
    let namespace = cluster.namespace("kit").await;
    let account: ServiceAccount =
        serde_json::from_value(json!({"metadata": {"name": "shop"}})).unwrap();
    let accounts = Api::namespaced(cluster.client(), namespace.name());
    accounts
        .create(&PostParams::default(), &account)
        .await
        .unwrap();
    vault.read_policy("shop", "shop").await;
    vault.enable_kubernetes(&cluster).await;
    vault
        .kubernetes_role("shop", (namespace.name(), "shop"), "vault", &["shop"])
        .await;
    for (audience, expected) in [("vault", StatusCode::OK), ("other", StatusCode::FORBIDDEN)] {
        let jwt = cluster
            .service_account_token(namespace.name(), "shop", &[audience])
            .await;
        let (status, answer) =
            login(&vault, "kubernetes", json!({"role": "shop", "jwt": jwt})).await;
        assert_eq!(status, expected, "{answer}");
    }
}
