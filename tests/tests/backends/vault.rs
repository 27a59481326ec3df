//! A KV version 2 key in a real Vault, by AppRole or by a token of the ServiceAccount, with the rights of
//! the guide.

use std::marker::PhantomData;

use erpgo_test_kit::vault::{self, TestVault};
use serde_json::{Value, json};

use super::bench::{Bench, Setting};
use super::suite::Backend;

pub const PATH: &str = "erpgo/shop";
/// What the operator's policy allows.
pub const RIGHTS: &str = r#"
path "secret/data/erpgo/shop" { capabilities = ["create", "read", "update"] }
path "secret/metadata/erpgo/shop" { capabilities = ["create", "update", "delete"] }
"#;

/// How the operator logs in.
pub trait Login: Sized {
    /// Switches the method on.
    async fn enable(bench: &Bench, server: &TestVault);
    /// Makes a login with these policies and says it as the spec does.
    async fn allow(bench: &Bench, server: &TestVault, name: &str, policies: &[&str]) -> Value;
}

/// Two ids in a Secret.
pub struct ByAppRole;

/// A token of the ServiceAccount, which Vault checks by itself.
pub struct ByJwt;

/// A token of the ServiceAccount, about which Vault asks the cluster.
pub struct ByKubernetes;

pub struct Vault<L> {
    bench: Bench,
    pub server: TestVault,
    auth: Value,
    login: PhantomData<L>,
}

impl Login for ByAppRole {
    async fn enable(_: &Bench, server: &TestVault) {
        server.enable_approle().await;
    }

    async fn allow(bench: &Bench, server: &TestVault, name: &str, policies: &[&str]) -> Value {
        let role = server.approle(name, policies, "20m").await;
        let values = json!({"role-id": role.role_id, "secret-id": role.secret_id});
        let login = format!("login-of-{name}");
        bench.secret(&login, &values).await;
        json!({"appRole": {"secretRef": {"name": login}}})
    }
}

impl Login for ByJwt {
    async fn enable(bench: &Bench, server: &TestVault) {
        bench.account().await;
        server.enable_jwt(&bench.cluster).await;
    }

    async fn allow(bench: &Bench, server: &TestVault, name: &str, policies: &[&str]) -> Value {
        let account = (bench.namespace.name(), "shop");
        server.jwt_role(name, account, "vault", policies).await;
        json!({"jwt": {"role": name}})
    }
}

impl Login for ByKubernetes {
    async fn enable(bench: &Bench, server: &TestVault) {
        bench.account().await;
        server.enable_kubernetes(&bench.cluster).await;
    }

    async fn allow(bench: &Bench, server: &TestVault, name: &str, policies: &[&str]) -> Value {
        let account = (bench.namespace.name(), "shop");
        server
            .kubernetes_role(name, account, "vault", policies)
            .await;
        json!({"kubernetes": {"role": name}})
    }
}

/// Lets the operator log in with the rights of the guide, and says how as the spec does.
pub async fn admit<L: Login>(bench: &Bench, server: &TestVault) -> Value {
    server.policy("operator", RIGHTS).await;
    L::enable(bench, server).await;
    L::allow(bench, server, "operator", &["operator"]).await
}

/// An `ErpGo` whose document is asked for at this address.
pub fn setting_at(bench: &Bench, address: &str, auth: &Value) -> Setting {
    bench.setting(&json!({"vault": {
        "address": address,
        "allowHttp": true,
        "path": PATH,
        "auth": auth,
    }}))
}

impl<L: Login> Backend for Vault<L> {
    async fn start() -> Self {
        let (bench, server) = (Bench::new().await, vault::server().await);
        let auth = admit::<L>(&bench, &server).await;
        Self {
            bench,
            server,
            auth,
            login: PhantomData,
        }
    }

    fn here(&self) -> Setting {
        setting_at(&self.bench, &self.server.url(), &self.auth)
    }

    fn away(&self) -> Setting {
        setting_at(&self.bench, "http://127.0.0.1:1", &self.auth)
    }

    async fn denied(&self) -> Setting {
        let auth = L::allow(&self.bench, &self.server, "nobody", &[]).await;
        setting_at(&self.bench, &self.server.url(), &auth)
    }

    async fn by_hand(&self, text: &str) {
        self.server.kv_put(PATH, &json!({"document": text})).await;
    }

    async fn is_tidy(&self) -> bool {
        true
    }
}
