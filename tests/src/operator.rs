//! The real operator binary, with the rights that its chart gives it and no other.

use anyhow::{Context, bail};
use erpgo_test_kit::apiserver::TestCluster;
use erpgo_test_kit::{capture, tools};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, PostParams};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

const RELEASE: &str = "erpgo-operator";
const START: Duration = Duration::from_secs(60);

/// A running operator that serves one namespace.
#[derive(Debug)]
pub struct Operator {
    /// The process and what it has printed.
    pub process: capture::Captured,
    /// Its user in the audit log.
    pub user: String,
    namespace: String,
    kubeconfig: PathBuf,
}

impl Operator {
    /// Installs the chart's rights in `namespace` and starts the operator for it.
    pub async fn start(cluster: &TestCluster, namespace: &str) -> anyhow::Result<Self> {
        grant(cluster, namespace).await?;
        let kubeconfig = cluster
            .kubeconfig_for_service_account(namespace, RELEASE)
            .await;
        let user = format!("system:serviceaccount:{namespace}:{RELEASE}");
        let process = run(namespace, &kubeconfig).await?;
        Ok(Self {
            process,
            user,
            namespace: namespace.to_owned(),
            kubeconfig,
        })
    }

    /// Kills the operator, as a crash would.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.process.signal(erpgo_test_kit::Signal::KILL)?;
        self.process.wait(START).await?;
        Ok(())
    }

    /// Kills the operator unless it has ended, and starts it again.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        if self.process.id().is_some() {
            self.stop().await?;
        }
        self.process = run(&self.namespace, &self.kubeconfig).await?;
        Ok(())
    }
}

async fn run(namespace: &str, kubeconfig: &Path) -> anyhow::Result<capture::Captured> {
    let program = tokio::task::spawn_blocking(binary).await??;
    let mut command = tokio::process::Command::new(program);
    command.args([
        "run",
        "--namespace",
        namespace,
        "--own-namespace",
        namespace,
    ]);
    command.args([
        "--metrics-listen",
        "127.0.0.1:0",
        "--sidecar-image",
        "erpgo.local/sidecar-secrets:dev",
    ]);
    command.env("KUBECONFIG", kubeconfig).env_remove("RUST_LOG");
    let mut process = capture::spawn(command)?;
    process.wait_for_line("the operator begins", START).await?;
    Ok(process)
}

/// The operator's binary of this build, made when it is older than its sources.
fn binary() -> anyhow::Result<PathBuf> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    // What is measured is a release.
    if let Some(given) = std::env::var_os("ERPGO_OPERATOR_BINARY") {
        return Ok(given.into());
    }
    let built = BINARY.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built.clone().map_err(anyhow::Error::msg)
}

fn build() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--package=erpgo-operator",
        "--bin=erpgo-operator",
        "--message-format=json",
    ]);
    // Build scripts watch what cargo says about this package, and would run again for the operator.
    for (name, _) in std::env::vars_os() {
        if is_about_this_package(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    let output = checked(command.current_dir(root()))?;
    let messages = String::from_utf8(output.stdout)?;
    let mut executables = messages
        .lines()
        .rev()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let executable =
        executables.find_map(|message| message["executable"].as_str().map(PathBuf::from));
    executable.context("cargo built no operator")
}

fn is_about_this_package(name: &str) -> bool {
    let prefixes = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
        "CARGO_PRIMARY_",
    ];
    name == "CARGO_TARGET_TMPDIR" || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// Creates the account, role and binding of the chart in namespaced mode.
async fn grant(cluster: &TestCluster, namespace: &str) -> anyhow::Result<()> {
    let rendered = tokio::task::spawn_blocking({
        let namespace = namespace.to_owned();
        move || render(&namespace)
    });
    let documents = rendered.await??;
    create::<ServiceAccount>(cluster, namespace, &documents).await?;
    create::<Role>(cluster, namespace, &documents).await?;
    create::<RoleBinding>(cluster, namespace, &documents).await
}

/// Everything that `helm install` would create for an operator of one namespace.
fn render(namespace: &str) -> anyhow::Result<Vec<Value>> {
    let mut command = Command::new(tools::tool("helm")?);
    command.args([
        "template",
        RELEASE,
        "charts/erpgo-operator",
        "--namespace",
        namespace,
    ]);
    command.args([
        "--set",
        &format!("watchNamespace={namespace},crds.install=false,leaderElection.enabled=false"),
    ]);
    let output = checked(command.current_dir(root()))?;
    let text = String::from_utf8(output.stdout)?;
    let documents = text
        .split("\n---\n")
        .filter(|document| document.contains("kind:"));
    documents
        .map(|document| {
            Ok(serde_saphyr::from_str(
                document.trim_start_matches("---\n"),
            )?)
        })
        .collect()
}

async fn create<K>(
    cluster: &TestCluster,
    namespace: &str,
    documents: &[Value],
) -> anyhow::Result<()>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    K: Clone + std::fmt::Debug + DeserializeOwned + serde::Serialize,
{
    let api: Api<K> = Api::namespaced(cluster.client(), namespace);
    let ours = documents
        .iter()
        .filter(|document| document["kind"] == K::kind(&()).as_ref());
    for document in ours {
        let object: K = serde_json::from_value(document.clone())?;
        api.create(&PostParams::default(), &object)
            .await
            .with_context(|| format!("cannot create the {}", K::kind(&())))?;
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn checked(command: &mut Command) -> anyhow::Result<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        bail!(
            "{name} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(output)
}
