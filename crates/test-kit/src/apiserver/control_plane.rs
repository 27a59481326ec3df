//! The commands of etcd, kube-apiserver and kube-controller-manager, and when each is ready.

use super::access::Access;
use super::pki;
use crate::tools::tool;
use crate::{port, wait};
use anyhow::Context;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const START: Duration = Duration::from_secs(120);

/// Who wrote what and who read what, never with what body. The server's own traffic is left out.
const AUDIT_POLICY: &str = r#"apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: None
    users: ["system:apiserver", "system:anonymous"]
  - level: None
    nonResourceURLs: ["*"]
  - level: Metadata
"#;

/// The files and ports of one control plane.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    dir: PathBuf,
    etcd: u16,
    etcd_peer: u16,
    api: u16,
    access: Access,
}

impl ControlPlane {
    /// Writes keys, certificates and configuration into `dir`.
    pub(crate) fn create(dir: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let authority = pki::write(dir)?;
        let api = port::free()?;
        let token = uuid::Uuid::new_v4().simple().to_string();
        fs::write(
            dir.join("tokens.csv"),
            format!("{token},test-admin,test-admin,\"system:masters\"\n"),
        )?;
        fs::write(dir.join("audit-policy.yaml"), AUDIT_POLICY)?;
        let access = Access {
            url: format!("https://127.0.0.1:{api}"),
            authority,
            token,
            dir: dir.to_owned(),
        };
        access.write_kubeconfig("admin", &access.token)?;
        Ok(Self {
            dir: dir.to_owned(),
            etcd: port::free()?,
            etcd_peer: port::free()?,
            api,
            access,
        })
    }

    /// How clients reach the API server.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    pub(crate) fn etcd_command(&self) -> anyhow::Result<Command> {
        let client = format!("http://127.0.0.1:{}", self.etcd);
        let peer = format!("http://127.0.0.1:{}", self.etcd_peer);
        let mut command = Command::new(tool("etcd")?);
        command.args(["--name=test", "--unsafe-no-fsync", "--log-level=warn"]);
        command.arg(format!("--data-dir={}", self.dir.join("etcd").display()));
        command
            .arg(format!("--listen-client-urls={client}"))
            .arg(format!("--advertise-client-urls={client}"));
        command
            .arg(format!("--listen-peer-urls={peer}"))
            .arg(format!("--initial-advertise-peer-urls={peer}"));
        command.arg(format!("--initial-cluster=test={peer}"));
        Ok(command)
    }

    pub(crate) fn apiserver_command(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(tool("kube-apiserver")?);
        command.args([
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.97.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged=true",
            "--profiling=false",
            "--audit-log-maxsize=500",
            "--audit-log-maxbackup=1",
        ]);
        command.arg(format!("--secure-port={}", self.api));
        command.arg(format!("--etcd-servers=http://127.0.0.1:{}", self.etcd));
        for (flag, file) in [
            ("tls-cert-file", "apiserver.crt"),
            ("tls-private-key-file", "apiserver.key"),
            ("service-account-key-file", "service-accounts.pub"),
            ("service-account-signing-key-file", "service-accounts.key"),
            ("token-auth-file", "tokens.csv"),
            ("audit-policy-file", "audit-policy.yaml"),
            ("audit-log-path", "audit.log"),
        ] {
            command.arg(format!("--{flag}={}", self.dir.join(file).display()));
        }
        Ok(command)
    }

    pub(crate) fn controller_manager_command(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(tool("kube-controller-manager")?);
        command.args([
            "--leader-elect=false",
            "--secure-port=0",
            "--use-service-account-credentials=true",
        ]);
        for (flag, file) in [
            ("kubeconfig", "admin.kubeconfig"),
            ("root-ca-file", "ca.crt"),
            ("service-account-private-key-file", "service-accounts.key"),
        ] {
            command.arg(format!("--{flag}={}", self.dir.join(file).display()));
        }
        Ok(command)
    }

    /// Waits until etcd says that it is healthy; `alive` fails when it has ended instead.
    pub(crate) fn wait_etcd(
        &self,
        log: &Path,
        mut alive: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        wait::until("starting etcd", START, log, || {
            alive()?;
            Ok(self.etcd_is_healthy().unwrap_or(false).then_some(()))
        })
    }

    /// Waits until the API server and all its start-up hooks are ready.
    pub(crate) fn wait_api(
        &self,
        log: &Path,
        mut alive: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        wait::until("starting kube-apiserver", START, log, || {
            alive()?;
            Ok(runtime.block_on(self.access.is_ready()).then_some(()))
        })
    }

    fn etcd_is_healthy(&self) -> anyhow::Result<bool> {
        let address = (Ipv4Addr::LOCALHOST, self.etcd).into();
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer)?;
        Ok(answer.contains("\"true\""))
    }
}
