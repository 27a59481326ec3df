//! A KV version 2 key in a real Vault, by AppRole with the rights of the guide.

use erpgo_test_kit::vault::{self, AppRole, TestVault};
use serde_json::{Value, json};

use super::bench::{Bench, Setting};
use super::suite::Backend;

const PATH: &str = "erpgo/shop";
const RIGHTS: &str = r#"
path "secret/data/erpgo/shop" { capabilities = ["create", "read", "update"] }
path "secret/metadata/erpgo/shop" { capabilities = ["create", "update", "delete"] }
"#;

pub struct Vault {
    bench: Bench,
    server: TestVault,
}

impl Vault {
    fn backend(address: &str, login: &str) -> Value {
        json!({"vault": {
            "address": address,
            "allowHttp": true,
            "path": PATH,
            "auth": {"appRole": {"secretRef": {"name": login}}},
        }})
    }

    async fn keep(bench: &Bench, name: &str, role: &AppRole) {
        let values = json!({"role-id": role.role_id, "secret-id": role.secret_id});
        bench.secret(name, &values).await;
    }
}

impl Backend for Vault {
    async fn start() -> Self {
        let (bench, server) = (Bench::new().await, vault::server().await);
        server.policy("operator", RIGHTS).await;
        server.enable_approle().await;
        let role = server.approle("operator", &["operator"], "20m").await;
        Self::keep(&bench, "login", &role).await;
        Self { bench, server }
    }

    fn here(&self) -> Setting {
        self.bench
            .setting(&Self::backend(&self.server.url(), "login"))
    }

    fn away(&self) -> Setting {
        self.bench
            .setting(&Self::backend("http://127.0.0.1:1", "login"))
    }

    async fn denied(&self) -> Setting {
        let role = self.server.approle("nobody", &[], "20m").await;
        Self::keep(&self.bench, "login-of-nobody", &role).await;
        self.bench
            .setting(&Self::backend(&self.server.url(), "login-of-nobody"))
    }

    async fn by_hand(&self, text: &str) {
        self.server.kv_put(PATH, &json!({"document": text})).await;
    }

    async fn is_tidy(&self) -> bool {
        true
    }
}
