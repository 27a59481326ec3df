//! The node that `e2e/cluster/bin/up` started.
//!
//! Owns the Kubernetes client and the host's scripts; it starts no node itself.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};

use crate::Process;

/// A running node.
#[derive(Clone)]
pub struct Node {
    /// Admin client.
    pub client: Client,
    kubeconfig: PathBuf,
}

impl Node {
    /// Connects with `.dev/kubeconfig`, or the file named by `ERPGO_E2E_KUBECONFIG`.
    ///
    /// # Errors
    /// When there is no node: `make cluster` starts one.
    pub async fn connect() -> Result<Self> {
        // A second journey in the same process finds the provider installed; that is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let kubeconfig = std::env::var_os("ERPGO_E2E_KUBECONFIG")
            .map_or_else(|| repository().join(".dev/kubeconfig"), PathBuf::from);
        let parsed = Kubeconfig::read_from(&kubeconfig)
            .with_context(|| format!("no node: run `make cluster` ({})", kubeconfig.display()))?;
        let config =
            kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await?;
        Ok(Self {
            client: Client::try_from(config)?,
            kubeconfig,
        })
    }

    /// The node's address, at which pods reach what listens on this machine.
    ///
    /// # Errors
    /// When there is no node with an IPv4 address.
    pub async fn address(&self) -> Result<Ipv4Addr> {
        let nodes: Api<k8s_openapi::api::core::v1::Node> = Api::all(self.client.clone());
        let list = nodes.list(&ListParams::default().limit(1)).await?;
        let node = list.items.into_iter().next().context("there is no node")?;
        let addresses = node.status.and_then(|status| status.addresses);
        let mut addresses = addresses.into_iter().flatten();
        let internal = addresses.find(|address| address.type_ == "InternalIP");
        let internal = internal.context("the node has no address")?;
        Ok(internal.address.parse()?)
    }

    /// The way in for its administrator.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The directory of the node's certificates and logs.
    #[must_use]
    pub fn work_dir(&self) -> PathBuf {
        self.kubeconfig.with_file_name("cluster")
    }

    /// The operator's process.
    ///
    /// # Errors
    /// When it has no pod, or the pod no process.
    pub fn operator(&self) -> Result<Process> {
        let args = [
            "-n",
            "erpgo-system",
            "get",
            "pods",
            "-l",
            "app.kubernetes.io/name=erpgo-operator",
            "-o",
            "jsonpath={.items[0].metadata.uid}",
        ];
        let uid = self.kubectl(&args)?;
        Process::of_pod(uid.trim(), "erpgo-operator")
    }

    /// Runs kubectl as a person would and returns what it printed.
    ///
    /// # Errors
    /// When kubectl fails, with what it said.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        let program = given_kubectl().unwrap_or_else(|| "kubectl".into());
        let mut command = Command::new(program);
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(args);
        output(&mut command, &format!("kubectl {}", args.join(" ")))
    }
}

/// The kubectl of the node's own version, if it is not that of the PATH.
pub(crate) fn given_kubectl() -> Option<OsString> {
    std::env::var_os("ERPGO_E2E_KUBECTL")
}

/// Runs `e2e/cluster/bin/services` with one word: a fault of PostgreSQL or Redis, or its mending.
///
/// # Errors
/// When the script fails, with what it said.
pub fn services(word: &str) -> Result<String> {
    let script = repository().join("e2e/cluster/bin/services");
    output(Command::new(script).arg(word), &format!("services {word}"))
}

/// Runs `e2e/cluster/bin/smoke`, which proves what the product relies on.
///
/// # Errors
/// When something is not as it should be, with what the script said.
pub fn smoke() -> Result<()> {
    let script = repository().join("e2e/cluster/bin/smoke");
    output(&mut Command::new(script), "smoke").map(drop)
}

fn output(command: &mut Command, what: &str) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("{what} could not be started"))?;
    if !output.status.success() {
        bail!("{what} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    ensure!(
        output.stdout.len() < 64 << 20,
        "{what} printed more than 64 MiB"
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Root of the checkout.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
