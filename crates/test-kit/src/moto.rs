//! AWS as moto plays it: Secrets Manager, STS and IAM in memory, on a free loopback port.
//!
//! moto comes from PyPI in a pinned version, once, into the cache that the tools share. It is the one
//! service here that is no original: AWS itself cannot be run. What it gets wrong is said where a test
//! meets it.

use crate::private::Private;
use crate::python::Package;
use crate::{fail, port, wait};
use anyhow::{Context, bail};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The region of every test.
pub const REGION: &str = "eu-central-1";

const MOTO: Package = Package {
    name: "moto",
    extras: "[server]",
    version: "5.2.5",
};
const COMMAND_LINE: Package = Package {
    name: "awscli",
    extras: "",
    version: "1.46.2",
};
const START: Duration = Duration::from_secs(120);
const LIMIT: Duration = Duration::from_secs(20);

/// A running moto server.
#[derive(Debug)]
pub struct TestMoto {
    private: Private,
    host: Ipv4Addr,
    port: u16,
}

/// Starts a moto server; this takes a few seconds, and the very first time a download.
pub async fn server() -> TestMoto {
    server_at(Ipv4Addr::LOCALHOST).await
}

/// The same on another address of this machine: that of the node, which pods reach.
pub async fn server_at(host: Ipv4Addr) -> TestMoto {
    fail::unless(fail::blocking(move || TestMoto::launch(host)).await)
}

/// The folder of the AWS command line: its modules, and the program as `bin/aws`. The very first time this
/// is a download.
pub async fn command_line() -> PathBuf {
    fail::unless(fail::blocking(|| COMMAND_LINE.installed()).await)
}

impl TestMoto {
    /// Its URL, without a path: that of every service.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where it listens, for a proxy in front of it.
    pub fn address(&self) -> SocketAddr {
        (self.host, self.port).into()
    }

    /// One request to Secrets Manager, such as `GetSecretValue`; the test ends if it fails.
    pub async fn secrets(&self, action: &str, body: &Value) -> Value {
        fail::unless(self.call(action, body).await)
    }

    /// Makes `text` the secret's value, as somebody with a console would.
    pub async fn put(&self, name: &str, text: &str) {
        let created = json!({"Name": name, "SecretString": text, "ClientRequestToken": token()});
        if self.call("CreateSecret", &created).await.is_err() {
            let put =
                json!({"SecretId": name, "SecretString": text, "ClientRequestToken": token()});
            self.secrets("PutSecretValue", &put).await;
        }
    }

    /// The labels in use, sorted, whichever version bears them.
    pub async fn labels(&self, name: &str) -> Vec<String> {
        let described = self
            .secrets("DescribeSecret", &json!({"SecretId": name}))
            .await;
        let stages = described["VersionIdsToStages"].as_object();
        let lists = stages.into_iter().flat_map(|stages| stages.values());
        let labels = lists.flat_map(|labels| labels.as_array().into_iter().flatten());
        let mut labels: Vec<String> = labels
            .filter_map(|label| label.as_str().map(Into::into))
            .collect();
        labels.sort();
        labels
    }

    /// From now on every request needs a user whom IAM knows and allows it.
    pub async fn enforce_iam(&self) {
        let sent = client().map(|client| {
            let url = format!("{}/moto-api/reset-auth", self.url());
            client.post(url).body("0").send()
        });
        let answer = match sent {
            Ok(sent) => sent.await.context("cannot reach moto"),
            Err(error) => Err(error),
        };
        fail::unless(answer.and_then(|answer| Ok(answer.error_for_status()?)));
    }

    /// Freezes the server: connections stay open, and nothing answers.
    pub fn pause(&self) {
        fail::unless(self.private.signal(Signal::STOP));
    }

    /// Wakes a frozen server.
    pub fn resume(&self) {
        fail::unless(self.private.signal(Signal::CONT));
    }

    async fn call(&self, action: &str, body: &Value) -> anyhow::Result<Value> {
        // moto reads region and service from this header and does not check the signature.
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/secretsmanager/aws4_request, SignedHeaders=host, Signature=0"
        );
        let request = client()?
            .post(self.url())
            .header("authorization", signed)
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("secretsmanager.{action}"))
            .body(body.to_string());
        let answer = request.send().await.context("cannot reach moto")?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            bail!("moto answered {status} for {action}: {text}");
        }
        Ok(serde_json::from_str(&text)?)
    }

    fn launch(host: Ipv4Addr) -> anyhow::Result<Self> {
        let modules = MOTO.installed()?;
        let mut moto = Self {
            private: Private::new("moto")?,
            host,
            port: 0,
        };
        port::retry(|| {
            moto.port = port::free()?;
            moto.run(&modules)
        })?;
        Ok(moto)
    }

    fn run(&mut self, modules: &Path) -> anyhow::Result<()> {
        let mut command = Command::new("python3");
        command
            .args(["-m", "moto.server", "-H"])
            .arg(self.host.to_string())
            .arg("-p")
            .arg(self.port.to_string())
            .env("PYTHONPATH", modules)
            .env("HOME", self.private.dir());
        self.private.spawn(command)?;
        let log = self.private.log().to_owned();
        wait::until("starting moto", START, &log, || {
            self.private.still_running()?;
            // Whoever else got the port meanwhile would be reached too.
            let printed = std::fs::read_to_string(&log)?;
            let listens = printed.contains("Running on ");
            Ok((listens && TcpStream::connect(self.address()).is_ok()).then_some(()))
        })
    }
}

fn token() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn client() -> anyhow::Result<reqwest::Client> {
    // Fails when a provider is installed already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder()
        .timeout(LIMIT)
        .no_proxy()
        .build()?)
}
