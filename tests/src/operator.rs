//! The real operator binary, with the rights that its chart gives it and no other.

use anyhow::{Context, bail};
use erpgo_test_kit::apiserver::TestCluster;
use erpgo_test_kit::{capture, tools};
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

const START: Duration = Duration::from_secs(60);
/// Where an operator is told the image of its sidecar.
const SIDECAR: &str = "ERPGO_OPERATOR_SIDECAR_IMAGE";
/// That image, unless a test gives another.
pub const SIDECAR_IMAGE: &str = "erpgo.local/sidecar-secrets:dev";
/// Kinds of the chart's objects that say what the operator may do.
const RIGHTS: [&str; 5] = [
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
];

/// How the chart is installed.
#[derive(Clone, Copy, Debug)]
pub struct Release {
    /// Name of the release, of the account and of the host; it begins with `erpgo-operator`.
    pub name: &'static str,
    /// Whether the operator serves every namespace, and not its own alone.
    pub everywhere: bool,
    /// Whether it works under the leader lease alone.
    pub leader_election: bool,
    /// Name of that lease, which the chart takes from the release.
    pub lease: &'static str,
}

impl Default for Release {
    fn default() -> Self {
        Self {
            name: "erpgo-operator",
            everywhere: false,
            leader_election: false,
            lease: "erpgo-operator",
        }
    }
}

/// Environment variables, by name; of two with the same name the later one counts.
pub type Settings = Vec<(&'static str, String)>;

/// A running operator.
#[derive(Debug)]
pub struct Operator {
    /// The process and what it has printed.
    pub process: capture::Captured,
    /// Its user in the audit log.
    pub user: String,
    release: Release,
    namespace: String,
    kubeconfig: PathBuf,
    settings: Settings,
}

impl Operator {
    /// Installs the chart's rights in `namespace` and starts the operator for it.
    pub async fn start(cluster: &TestCluster, namespace: &str) -> anyhow::Result<Self> {
        Self::install(cluster, namespace, Release::default()).await
    }

    /// The same with environment variables of one's own.
    pub async fn start_with(
        cluster: &TestCluster,
        namespace: &str,
        settings: Settings,
    ) -> anyhow::Result<Self> {
        let release = Release::default();
        Self::begin(cluster, namespace, release, cluster.url(), settings).await
    }

    /// Installs the chart's rights as `release` in `namespace` and starts its operator there.
    pub async fn install(
        cluster: &TestCluster,
        namespace: &str,
        release: Release,
    ) -> anyhow::Result<Self> {
        Self::install_at(cluster, namespace, release, cluster.url()).await
    }

    /// The same for an operator that finds the API server at `url`.
    pub async fn install_at(
        cluster: &TestCluster,
        namespace: &str,
        release: Release,
        url: &str,
    ) -> anyhow::Result<Self> {
        Self::begin(cluster, namespace, release, url, Settings::new()).await
    }

    async fn begin(
        cluster: &TestCluster,
        namespace: &str,
        release: Release,
        url: &str,
        settings: Settings,
    ) -> anyhow::Result<Self> {
        grant(cluster, namespace, release).await?;
        let kubeconfig = cluster
            .kubeconfig_for_service_account_at(namespace, release.name, url)
            .await;
        let user = format!("system:serviceaccount:{namespace}:{}", release.name);
        let process = run(namespace, release, &settings, &kubeconfig).await?;
        Ok(Self {
            process,
            user,
            release,
            namespace: namespace.to_owned(),
            kubeconfig,
            settings,
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
        let (namespace, kubeconfig) = (&self.namespace, &self.kubeconfig);
        self.process = run(namespace, self.release, &self.settings, kubeconfig).await?;
        Ok(())
    }

    /// The same with another image of the sidecar, as an upgrade of the chart has it.
    pub async fn upgrade(&mut self, sidecar_image: &str) -> anyhow::Result<()> {
        self.settings.push((SIDECAR, sidecar_image.to_owned()));
        self.restart().await
    }
}

async fn run(
    namespace: &str,
    release: Release,
    settings: &[(&'static str, String)],
    kubeconfig: &Path,
) -> anyhow::Result<capture::Captured> {
    let program = tokio::task::spawn_blocking(binary).await??;
    let mut command = tokio::process::Command::new(program);
    command.args(["run", "--own-namespace", namespace]);
    if !release.everywhere {
        command.args(["--namespace", namespace]);
    }
    if release.leader_election {
        command.args(["--leader-elect", "--lease-name", release.lease]);
    }
    command.args(["--metrics-listen", "127.0.0.1:0"]);
    // In a pod this is the pod's name.
    command.env("HOSTNAME", release.name);
    command.env("KUBECONFIG", kubeconfig).env_remove("RUST_LOG");
    command.env(SIDECAR, SIDECAR_IMAGE);
    command.envs(settings.iter().map(|(name, value)| (name, value)));
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

/// Creates what the chart gives the operator, an account and its rights, and waits until they count.
async fn grant(cluster: &TestCluster, namespace: &str, release: Release) -> anyhow::Result<()> {
    let rendered = tokio::task::spawn_blocking({
        let namespace = namespace.to_owned();
        move || render(&namespace, release)
    });
    for document in rendered.await?? {
        let wanted = document["kind"].as_str().unwrap_or_default();
        if RIGHTS.contains(&wanted) {
            create(cluster, document).await?;
        }
    }
    for right in rights(namespace, release) {
        let account = (namespace, release.name);
        cluster.until_allowed(account, &right).await;
    }
    Ok(())
}

/// One right of each binding.
fn rights(namespace: &str, release: Release) -> Vec<ResourceAttributes> {
    let watched = (!release.everywhere).then(|| namespace.to_owned());
    let mut rights = vec![right("list", "erpgo.io", "erpgos", watched)];
    if release.leader_election {
        let group = "coordination.k8s.io";
        rights.push(right("get", group, "leases", Some(namespace.to_owned())));
    }
    rights
}

fn right(verb: &str, group: &str, resource: &str, namespace: Option<String>) -> ResourceAttributes {
    ResourceAttributes {
        verb: Some(verb.into()),
        group: Some(group.into()),
        resource: Some(resource.into()),
        namespace,
        ..ResourceAttributes::default()
    }
}

/// Everything that `helm install` would create.
fn render(namespace: &str, release: Release) -> anyhow::Result<Vec<Value>> {
    let watched = if release.everywhere { "" } else { namespace };
    let mut command = Command::new(tools::tool("helm")?);
    command.args([
        "template",
        release.name,
        "charts/erpgo-operator",
        "--namespace",
        namespace,
    ]);
    command.args([
        "--set",
        &format!(
            "watchNamespace={watched},crds.install=false,leaderElection.enabled={}",
            release.leader_election
        ),
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

async fn create(cluster: &TestCluster, document: Value) -> anyhow::Result<()> {
    let object: DynamicObject = serde_json::from_value(document)?;
    let types = object.types.as_ref().context("an object without a kind")?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(types)?);
    let api: Api<DynamicObject> = match object.metadata.namespace.as_deref() {
        Some(namespace) => Api::namespaced_with(cluster.client(), namespace, &resource),
        None => Api::all_with(cluster.client(), &resource),
    };
    let created = api.create(&PostParams::default(), &object).await;
    created.with_context(|| format!("cannot create the {}", resource.kind))?;
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
