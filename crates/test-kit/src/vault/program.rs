//! How a Vault server is started: alone in development mode, or as a member of a cluster.
//!
//! Owns its configuration and its directory. A member is uninitialised, and sealed each time it starts.

use super::{KUBERNETES_PLUGIN, TestVault};
use crate::port;
use crate::private::Private;
use crate::tools::tool;
use anyhow::Context;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// Files of a few MiB, and no more of them in memory than is in use.
const FRUGAL: [(&str, &str); 2] = [
    ("VAULT_RAFT_INITIAL_MMAP_SIZE", "8388608"),
    ("VAULT_RAFT_DISABLE_MAP_POPULATE", "true"),
];

/// As what a server runs.
#[derive(Debug)]
pub(super) enum Role {
    /// In development mode.
    Alone,
    /// With integrated storage, beside others.
    Member(Member),
}

/// A member of a cluster.
#[derive(Debug)]
pub(super) struct Member {
    /// Where the others reach it.
    cluster_port: u16,
    /// What unseals it, once the cluster is initialised.
    pub(super) unseal_key: String,
}

impl Role {
    /// A member on a port of its own.
    pub(super) fn member() -> anyhow::Result<Self> {
        Ok(Self::Member(Member {
            cluster_port: port::free()?,
            unseal_key: String::new(),
        }))
    }

    pub(super) fn private(&self) -> anyhow::Result<Private> {
        match self {
            Self::Alone => Private::new("vault"),
            Self::Member(_) => Private::in_memory("vault"),
        }
    }

    /// What it prints when it serves.
    pub(super) fn ready(&self) -> &'static str {
        match self {
            Self::Alone => "Root Token: ",
            Self::Member(_) => "Vault server started!",
        }
    }
}

impl TestVault {
    pub(super) fn command(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(tool("vault")?);
        command.arg("server").env("HOME", self.private.dir());
        match &self.role {
            Role::Alone => self.alone(&mut command)?,
            Role::Member(member) => self.member(member, &mut command)?,
        }
        Ok(command)
    }

    fn alone(&self, command: &mut Command) -> anyhow::Result<()> {
        let plugin = tool(KUBERNETES_PLUGIN)?;
        let plugins = self.private.dir().join("plugins");
        std::fs::create_dir_all(&plugins)?;
        std::fs::copy(&plugin, plugins.join(KUBERNETES_PLUGIN))
            .context("cannot copy the plugin")?;
        command.args(["-dev", "-dev-no-store-token"]);
        command.arg(format!("-dev-listen-address={}", self.address()));
        command.arg(format!("-dev-plugin-dir={}", plugins.display()));
        command.env("VAULT_DEV_ROOT_TOKEN_ID", &self.root_token);
        Ok(())
    }

    fn member(&self, member: &Member, command: &mut Command) -> anyhow::Result<()> {
        let storage = self.private.dir().join("storage");
        std::fs::create_dir_all(&storage)?;
        let config = self.private.dir().join("vault.hcl");
        std::fs::write(&config, self.config(member, &storage))?;
        command.arg(format!("-config={}", config.display()));
        command.envs(FRUGAL);
        Ok(())
    }

    // The multiplier makes an election take seconds, the intervals a new member's vote.
    fn config(&self, member: &Member, storage: &Path) -> String {
        let (api, cluster) = (
            self.address(),
            SocketAddr::from((self.host, member.cluster_port)),
        );
        let storage = storage.display();
        format!(
            r#"
storage "raft" {{
  path = "{storage}"
  node_id = "{api}"
  performance_multiplier = "1"
  autopilot_reconcile_interval = "1s"
  autopilot_update_interval = "1s"
}}
listener "tcp" {{
  address = "{api}"
  cluster_address = "{cluster}"
  tls_disable = true
}}
api_addr = "http://{api}"
cluster_addr = "https://{cluster}"
disable_mlock = true
"#
        )
    }
}
