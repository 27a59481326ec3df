//! From the environment to settings that are known to be valid.
//!
//! Owns [`Config`]. All faults are found at once; none shows a value, since the fault may be that a
//! secret was put where a path belongs (I-04). Secrets come as file paths only.

mod aws;
mod backend;
mod environment;
pub(crate) mod files;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use aws::{AwsAuth, AwsConfig};
pub(crate) use backend::{BackendConfig, KubernetesConfig, VaultAuth, VaultConfig};
use environment::Environment;

/// What is wrong with one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It has no default and is not set.
    Missing {
        /// Name of the variable.
        name: &'static str,
    },
    /// It is set to something else than it must be.
    Invalid {
        /// Name of the variable.
        name: &'static str,
        /// What it must be.
        expected: String,
    },
    /// The file that it names cannot be used.
    File {
        /// Name of the variable.
        name: &'static str,
        /// Why.
        problem: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { name } => write!(f, "{name} is not set: set it"),
            Self::Invalid { name, expected } => write!(f, "{name} must be {expected}"),
            Self::File { name, problem } => write!(f, "{name}: {problem}"),
        }
    }
}

/// Every fault of an environment.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the configuration has {} fault(s)", faults.len())]
pub(crate) struct Invalid {
    /// The faults in the order of the settings; never empty.
    pub(crate) faults: Vec<Fault>,
}

/// Settings of the process.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) secrets_dir: PathBuf,
    pub(crate) control_listen: SocketAddr,
    pub(crate) ack_listen: SocketAddr,
    pub(crate) control_token_file: PathBuf,
    pub(crate) poll_interval: Duration,
    pub(crate) backend: BackendConfig,
}

impl Config {
    /// Reads every setting by `lookup`.
    ///
    /// # Errors
    /// All [`Fault`]s.
    pub(crate) fn load(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        let mut environment = Environment::new(&lookup);
        let config = read(&mut environment);
        environment.finish(config)
    }
}

fn read(env: &mut Environment<'_>) -> Option<Config> {
    let secrets_dir = env.directory("SIDECAR_SECRETS_DIR", "/var/run/erpgo/secrets");
    let control_listen = env.parsed(
        "SIDECAR_CONTROL_LISTEN",
        "0.0.0.0:8790",
        "an address and port",
    );
    let ack_listen = ack_listen(env);
    let control_token_file = env.credential(
        "SIDECAR_CONTROL_TOKEN_FILE",
        Some("/var/run/erpgo/control/token"),
    );
    let poll_interval = env.seconds("SIDECAR_POLL_INTERVAL", 60, 5..=3600);
    let backend = backend::read(env);
    Some(Config {
        secrets_dir: secrets_dir?,
        control_listen: control_listen?,
        ack_listen: ack_listen?,
        control_token_file: control_token_file?,
        poll_interval: poll_interval?,
        backend: backend?,
    })
}

// Whoever reaches this port can acknowledge, so it must not leave the pod.
fn ack_listen(env: &mut Environment<'_>) -> Option<SocketAddr> {
    const NAME: &str = "SIDECAR_ACK_LISTEN";
    let expected = "a loopback address and port";
    let address: SocketAddr = env.parsed(NAME, "127.0.0.1:8791", expected)?;
    if !address.ip().is_loopback() {
        env.invalid(NAME, expected);
        return None;
    }
    Some(address)
}

#[cfg(test)]
mod tests;
