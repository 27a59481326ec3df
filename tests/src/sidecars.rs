//! The real `sidecar-secrets` as a process, outside of any pod.
//!
//! Owns its directory in memory, its files and its settings on each backend. It knows the settings that
//! the operator gives to a pod and nothing of what the sidecar does inside.

use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::Result;
use erpgo_test_kit::moto::{REGION, TestMoto};
use erpgo_test_kit::vault::{AppRole, TestVault};
use serde_json::{Value, json};

/// Where the document lies in Vault and AWS.
pub const PATH: &str = "erpgo/bench";
/// The token of the control ports.
pub const TOKEN: &str = "a-token-of-sufficient-length-0123456789";
const ACK_PORT: u16 = 8791;

/// Where a sidecar reads.
pub enum Place<'a> {
    /// Vault, by AppRole.
    Vault(&'a TestVault, &'a AppRole),
    /// AWS, by an access key.
    Aws(&'a TestMoto),
    /// A Secret.
    Secret {
        /// The API server.
        url: &'a str,
        /// Its authority, as PEM.
        authority: &'a str,
        /// Who reads.
        token: &'a str,
        /// Where.
        namespace: &'a str,
    },
}

/// The command that starts a sidecar on `dir`; with `host` on the ports that pods have.
///
/// # Errors
/// When a file cannot be written.
pub fn command(
    program: &Path,
    dir: &Scratch,
    place: &Place<'_>,
    host: Option<IpAddr>,
) -> Result<Command> {
    std::fs::create_dir(dir.secrets())?;
    let at =
        |port: u16| host.map_or_else(|| "127.0.0.1:0".to_owned(), |host| format!("{host}:{port}"));
    let mut command = Command::new(program);
    command.arg("run").env_clear();
    command
        .env("SIDECAR_SECRETS_DIR", dir.secrets())
        .env("SIDECAR_CONTROL_TOKEN_FILE", dir.file("token", TOKEN)?)
        .env("SIDECAR_CONTROL_LISTEN", at(8790))
        .env("SIDECAR_ACK_LISTEN", at(ACK_PORT));
    for (name, value) in settings(dir, place)? {
        command.env(name, value);
    }
    Ok(command)
}

/// Where a sidecar that was started with `host` takes acknowledgements.
#[must_use]
pub fn ack_url(host: IpAddr) -> String {
    format!("http://{host}:{ACK_PORT}/v1/ack")
}

fn settings(dir: &Scratch, place: &Place<'_>) -> Result<Vec<(&'static str, String)>> {
    let file = |name: &str, content: &str| {
        Ok::<_, anyhow::Error>(dir.file(name, content)?.display().to_string())
    };
    Ok(match place {
        Place::Vault(vault, role) => vec![
            ("SIDECAR_BACKEND", "vault".into()),
            ("SIDECAR_VAULT_ADDRESS", vault.url()),
            ("SIDECAR_VAULT_PATH", PATH.into()),
            ("SIDECAR_VAULT_AUTH", "approle".into()),
            (
                "SIDECAR_VAULT_ROLE_ID_FILE",
                file("role-id", &role.role_id)?,
            ),
            (
                "SIDECAR_VAULT_SECRET_ID_FILE",
                file("secret-id", &role.secret_id)?,
            ),
        ],
        Place::Aws(moto) => vec![
            ("SIDECAR_BACKEND", "aws".into()),
            ("SIDECAR_AWS_REGION", REGION.into()),
            ("SIDECAR_AWS_SECRET_ID", PATH.into()),
            ("SIDECAR_AWS_ENDPOINT", moto.url()),
            ("SIDECAR_AWS_STS_ENDPOINT", moto.url()),
            ("SIDECAR_AWS_AUTH", "files".into()),
            (
                "SIDECAR_AWS_ACCESS_KEY_ID_FILE",
                file("key-id", "AKIAIOSFODNN7EXAMPLE")?,
            ),
            (
                "SIDECAR_AWS_SECRET_ACCESS_KEY_FILE",
                file("key", "an-access-key-of-nobody")?,
            ),
        ],
        Place::Secret {
            url,
            authority,
            token,
            namespace,
        } => vec![
            ("SIDECAR_BACKEND", "kubernetes".into()),
            ("SIDECAR_KUBERNETES_URL", (*url).into()),
            ("SIDECAR_KUBERNETES_CA_FILE", file("ca.crt", authority)?),
            ("SIDECAR_KUBERNETES_TOKEN_FILE", file("sa-token", token)?),
            ("SIDECAR_KUBERNETES_NAMESPACE", (*namespace).into()),
            ("SIDECAR_KUBERNETES_SECRET", "shop-secret-set".into()),
        ],
    })
}

/// A valid document of `generation` with values of its own.
///
/// # Errors
/// When there is no randomness.
pub fn document(generation: u64) -> Result<Value> {
    let key = |name: &str, value: String| json!({"current": {"kid": format!("{name}-{generation}"), "created_at": "2026-01-01T00:00:00Z", "value": value}});
    Ok(json!({"generation": generation, "keys": {
        "jwt": key("jwt", random()?), "refresh": key("refresh", random()?), "pepper": key("pepper", random()?),
        "database": key("database", "postgres://shop:a-password@127.0.0.1:5432/shop".into()),
    }}))
}

fn random() -> Result<String> {
    let mut bytes = [0; 48];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A process that ends with its handle.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when the process is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A directory in memory, as a pod's volume is; it ends with its handle.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new one.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> Result<Self> {
        let name = random()?;
        let path = PathBuf::from("/dev/shm").join(format!(
            "erpgo-bench-{}",
            name.get(..12).unwrap_or_default()
        ));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// A file in it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn file(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        std::fs::write(&path, content)?;
        Ok(path)
    }

    /// What the sidecar renders into.
    #[must_use]
    pub fn secrets(&self) -> PathBuf {
        self.0.join("secrets")
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is in memory and named for what it is.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
