//! A secret in moto's Secrets Manager, by an access key or by a role that the `ErpGo`'s ServiceAccount
//! assumes.

use std::marker::PhantomData;

use erpgo_test_kit::moto::{self, REGION, TestMoto};
use serde_json::{Value, json};

use super::bench::{Bench, Setting};
use super::suite::Backend;
use super::unruly::Unruly;

pub const NAME: &str = "erpgo/shop";
const AWAY: &str = "http://127.0.0.1:1";

/// How the operator comes by credentials.
pub trait Login: Sized {
    /// As the spec says it.
    fn auth() -> Value;
    /// Makes what it needs in the namespace.
    async fn prepare(bench: &Bench);
    /// The same, refused.
    async fn denied(aws: &Aws<Self>) -> Setting;
}

/// An access key in a Secret.
pub struct ByAccessKey;

/// A role for a token of the ServiceAccount.
pub struct ByWebIdentity;

pub struct Aws<L> {
    bench: Bench,
    pub server: TestMoto,
    /// Before the server. It refuses every token: it stands for STS only where a login is to fail.
    pub proxy: Unruly,
    login: PhantomData<L>,
}

impl Login for ByAccessKey {
    fn auth() -> Value {
        json!({"staticCredentialsSecretRef": {"name": "login"}})
    }

    async fn prepare(bench: &Bench) {
        let values = json!({"access-key-id": "AKIAIOSFODNN7EXAMPLE", "secret-access-key": "any"});
        bench.secret("login", &values).await;
    }

    async fn denied(aws: &Aws<Self>) -> Setting {
        aws.server.enforce_iam().await;
        let url = aws.server.url();
        aws.setting_at(&url, &url)
    }
}

impl Login for ByWebIdentity {
    fn auth() -> Value {
        json!({"webIdentity": {
            "roleArn": "arn:aws:iam::123456789012:role/shop",
            "operatorRoleArn": "arn:aws:iam::123456789012:role/shop-operator",
        }})
    }

    async fn prepare(bench: &Bench) {
        bench.account().await;
    }

    // moto trusts every token: the refusal is the proxy's.
    async fn denied(aws: &Aws<Self>) -> Setting {
        aws.setting_at(&aws.server.url(), &aws.proxy.url())
    }
}

impl<L: Login> Aws<L> {
    /// Access with Secrets Manager at `endpoint` and STS at `sts`.
    pub fn setting_at(&self, endpoint: &str, sts: &str) -> Setting {
        self.bench.setting(&json!({"aws": {
            "region": REGION,
            "secretId": NAME,
            "endpoint": endpoint,
            "stsEndpoint": sts,
            "allowHttp": true,
            "auth": L::auth(),
        }}))
    }
}

impl<L: Login> Backend for Aws<L> {
    async fn start() -> Self {
        let (bench, server) = (Bench::new().await, moto::server().await);
        L::prepare(&bench).await;
        let proxy = Unruly::before(server.url()).await;
        Self {
            bench,
            server,
            proxy,
            login: PhantomData,
        }
    }

    fn here(&self) -> Setting {
        self.setting_at(&self.proxy.url(), &self.server.url())
    }

    fn away(&self) -> Setting {
        self.setting_at(AWAY, AWAY)
    }

    async fn denied(&self) -> Setting {
        L::denied(self).await
    }

    async fn by_hand(&self, text: &str) {
        self.server.put(NAME, text).await;
    }

    // One version bears AWSCURRENT, and none AWSPENDING.
    async fn is_tidy(&self) -> bool {
        self.server.labels(NAME).await == ["AWSCURRENT", "AWSPREVIOUS"]
    }
}
