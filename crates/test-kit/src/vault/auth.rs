//! Policies and logins: AppRole, and Kubernetes service accounts by the plugin.

use super::{KUBERNETES_PLUGIN, TestVault};
use crate::apiserver::TestCluster;
use serde_json::{Value, json};

/// What a client needs to log in by AppRole.
#[derive(Clone, Debug)]
pub struct AppRole {
    /// The role's id, which is no secret.
    pub role_id: String,
    /// The secret of this login.
    pub secret_id: String,
}

impl TestVault {
    /// Writes a policy in Vault's language.
    pub async fn policy(&self, name: &str, rules: &str) {
        self.write(
            &format!("sys/policies/acl/{name}"),
            &json!({"policy": rules}),
        )
        .await;
    }

    /// A policy that may read one KV secret below `secret/`.
    pub async fn read_policy(&self, name: &str, path: &str) {
        self.policy(
            name,
            &format!("path \"secret/data/{path}\" {{ capabilities = [\"read\"] }}"),
        )
        .await;
    }

    /// Enables AppRole, once.
    pub async fn enable_approle(&self) {
        self.write("sys/auth/approle", &json!({"type": "approle"}))
            .await;
    }

    /// Makes a role of these policies whose tokens live for `ttl`, such as `30s`, and a login for it.
    pub async fn approle(&self, name: &str, policies: &[&str], ttl: &str) -> AppRole {
        let role = format!("auth/approle/role/{name}");
        self.write(
            &role,
            &json!({"token_policies": policies, "token_ttl": ttl}),
        )
        .await;
        let id = fail_if_absent(
            super::http::call(self, reqwest::Method::GET, &format!("{role}/role-id"), None).await,
        );
        let secret = self.write(&format!("{role}/secret-id"), &json!({})).await;
        AppRole {
            role_id: id["data"]["role_id"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            secret_id: secret["data"]["secret_id"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        }
    }

    /// Enables Kubernetes logins at `auth/kubernetes`, checked with this cluster.
    pub async fn enable_kubernetes(&self, cluster: &TestCluster) {
        self.enable_kubernetes_at(&json!({
            "kubernetes_host": cluster.url(),
            "kubernetes_ca_cert": cluster.authority(),
            "token_reviewer_jwt": cluster.token(),
            "disable_local_ca_jwt": true,
        }))
        .await;
    }

    /// The same, with any cluster: `config` is what `auth/kubernetes/config` takes.
    pub async fn enable_kubernetes_at(&self, config: &Value) {
        self.write("sys/auth/kubernetes", &json!({"type": KUBERNETES_PLUGIN}))
            .await;
        self.write("auth/kubernetes/config", config).await;
    }

    /// Enables JWT logins at `auth/jwt`, checked with this cluster's public key and without asking it.
    pub async fn enable_jwt(&self, cluster: &TestCluster) {
        self.write("sys/auth/jwt", &json!({"type": "jwt"})).await;
        let config = json!({"jwt_validation_pubkeys": [cluster.account_key()]});
        self.write("auth/jwt/config", &config).await;
    }

    /// Lets a service account log in by JWT with tokens for `audience`.
    pub async fn jwt_role(
        &self,
        name: &str,
        (namespace, service_account): (&str, &str),
        audience: &str,
        policies: &[&str],
    ) {
        let role = json!({
            "role_type": "jwt",
            "user_claim": "sub",
            "bound_subject": format!("system:serviceaccount:{namespace}:{service_account}"),
            "bound_audiences": [audience],
            "token_policies": policies,
            "token_ttl": "10m",
        });
        self.write(&format!("auth/jwt/role/{name}"), &role).await;
    }

    /// Lets a service account log in with tokens for `audience`.
    pub async fn kubernetes_role(
        &self,
        name: &str,
        account: (&str, &str),
        audience: &str,
        policies: &[&str],
    ) {
        let (namespace, service_account) = account;
        let role = json!({
            "bound_service_account_names": [service_account],
            "bound_service_account_namespaces": [namespace],
            "audience": audience,
            "token_policies": policies,
            "token_ttl": "10m",
        });
        self.write(&format!("auth/kubernetes/role/{name}"), &role)
            .await;
    }
}

fn fail_if_absent(answer: anyhow::Result<Option<serde_json::Value>>) -> serde_json::Value {
    crate::fail::unless(answer).unwrap_or_default()
}
