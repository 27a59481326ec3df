//! A Vault server of one's own in development mode, unsealed and in memory, or a [`cluster()`] of servers.
//! Both have KV version 2 at `secret/`.

mod auth;
mod cluster;
mod http;
mod program;

use crate::private::Private;
use crate::{fail, port, wait};
use anyhow::Context;
use program::Role;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

pub use auth::AppRole;
pub use cluster::{Elected, VaultCluster, cluster};

const START: Duration = Duration::from_secs(60);
const KUBERNETES_PLUGIN: &str = "vault-plugin-auth-kubernetes";

/// A running Vault server.
#[derive(Debug)]
pub struct TestVault {
    private: Private,
    host: Ipv4Addr,
    port: u16,
    role: Role,
    root_token: String,
}

/// Starts a Vault server on a free loopback port; this takes about a second.
pub async fn server() -> TestVault {
    server_at(Ipv4Addr::LOCALHOST).await
}

/// The same on another address of this machine: that of the node, which pods reach.
pub async fn server_at(host: Ipv4Addr) -> TestVault {
    fail::unless(fail::blocking(move || TestVault::launch(Role::Alone, host)).await)
}

impl TestVault {
    /// Its URL, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where it listens, for a proxy in front of it.
    pub fn address(&self) -> SocketAddr {
        (self.host, self.port).into()
    }

    /// The token that may do everything.
    pub fn root_token(&self) -> &str {
        &self.root_token
    }

    /// Writes a version of a KV secret below `secret/`.
    pub async fn kv_put(&self, path: &str, data: &Value) {
        self.write(&format!("secret/data/{path}"), &json!({"data": data}))
            .await;
    }

    /// The newest version of a KV secret below `secret/`, or nothing.
    pub async fn kv_get(&self, path: &str) -> Option<Value> {
        let answer = fail::unless(
            http::call(
                self,
                reqwest::Method::GET,
                &format!("secret/data/{path}"),
                None,
            )
            .await,
        );
        answer
            .map(|answer| answer["data"]["data"].clone())
            .filter(|data| !data.is_null())
    }

    /// How often a KV secret below `secret/` was written.
    pub async fn kv_versions(&self, path: &str) -> u64 {
        let path = format!("secret/metadata/{path}");
        let answer = http::call(self, reqwest::Method::GET, &path, None).await;
        let metadata = fail::unless(answer).unwrap_or_default();
        metadata["data"]["current_version"]
            .as_u64()
            .unwrap_or_default()
    }

    /// Seals the server: every read and login is refused with 503 until it is unsealed.
    pub async fn seal(&self) {
        self.write("sys/seal", &json!({})).await;
    }

    /// Unseals the server; what it held in memory is still there.
    pub async fn unseal(&self) {
        let key = self.unseal_key();
        self.write("sys/unseal", &json!({"key": key})).await;
    }

    /// What unseals the server.
    pub fn unseal_key(&self) -> String {
        match &self.role {
            Role::Alone => fail::unless(self.printed_key()),
            Role::Member(member) => member.unseal_key.clone(),
        }
    }

    /// Writes to a path below `/v1/` as root, and returns the answer.
    pub async fn write(&self, path: &str, body: &Value) -> Value {
        let answer = http::call(self, reqwest::Method::PUT, path, Some(body)).await;
        fail::unless(answer).unwrap_or_default()
    }

    /// Deletes a path below `/v1/` as root.
    pub async fn delete(&self, path: &str) {
        fail::unless(http::call(self, reqwest::Method::DELETE, path, None).await);
    }

    /// Freezes the server: connections stay open, and nothing answers.
    pub fn pause(&self) {
        fail::unless(self.private.signal(Signal::STOP));
    }

    /// Wakes a frozen server.
    pub fn resume(&self) {
        fail::unless(self.private.signal(Signal::CONT));
    }

    fn launch(role: Role, host: Ipv4Addr) -> anyhow::Result<Self> {
        let mut vault = Self {
            private: role.private()?,
            host,
            port: 0,
            role,
            root_token: uuid::Uuid::new_v4().simple().to_string(),
        };
        port::retry(|| {
            vault.port = port::free()?;
            vault.run()
        })?;
        Ok(vault)
    }

    fn run(&mut self) -> anyhow::Result<()> {
        let command = self.command()?;
        self.private.spawn(command)?;
        let (log, ready) = (self.private.log().to_owned(), self.role.ready());
        wait::until("starting Vault", START, &log, || {
            self.private.still_running()?;
            let is_ready = std::fs::read_to_string(&log)?.contains(ready);
            Ok((is_ready && TcpStream::connect(self.address()).is_ok()).then_some(()))
        })
    }

    fn printed_key(&self) -> anyhow::Result<String> {
        let printed = std::fs::read_to_string(self.private.log())?;
        let line = printed
            .lines()
            .find_map(|line| line.strip_prefix("Unseal Key: "));
        Ok(line
            .context("Vault printed no unseal key")?
            .trim()
            .to_owned())
    }
}
