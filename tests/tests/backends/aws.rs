//! A secret in moto's Secrets Manager, by an access key.

use erpgo_test_kit::moto::{self, REGION, TestMoto};
use serde_json::{Value, json};

use super::bench::{Bench, Setting};
use super::suite::Backend;

const NAME: &str = "erpgo/shop";

pub struct Aws {
    bench: Bench,
    server: TestMoto,
}

impl Aws {
    fn backend(endpoint: &str) -> Value {
        json!({"aws": {
            "region": REGION,
            "secretId": NAME,
            "endpoint": endpoint,
            "allowHttp": true,
            "auth": {"staticCredentialsSecretRef": {"name": "login"}},
        }})
    }
}

impl Backend for Aws {
    async fn start() -> Self {
        let (bench, server) = (Bench::new().await, moto::server().await);
        let values = json!({"access-key-id": "AKIAIOSFODNN7EXAMPLE", "secret-access-key": "any"});
        bench.secret("login", &values).await;
        Self { bench, server }
    }

    fn here(&self) -> Setting {
        self.bench.setting(&Self::backend(&self.server.url()))
    }

    fn away(&self) -> Setting {
        self.bench.setting(&Self::backend("http://127.0.0.1:1"))
    }

    async fn denied(&self) -> Setting {
        self.server.enforce_iam().await;
        self.here()
    }

    async fn by_hand(&self, text: &str) {
        self.server.put(NAME, text).await;
    }

    // One version bears AWSCURRENT, and none AWSPENDING.
    async fn is_tidy(&self) -> bool {
        self.server.labels(NAME).await == ["AWSCURRENT", "AWSPREVIOUS"]
    }
}
