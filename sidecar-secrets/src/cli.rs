//! The command line: `run`, `--help`, `--version`.
//!
//! Owns the words and the exit codes. Settings come from the environment alone (`config`),
//! so that no argument can carry a secret (I-04).

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use crate::config::Config;
use crate::{log, run};

/// The configuration is invalid; every fault has been listed.
pub const EXIT_CONFIG: u8 = 78;
const EXIT_USAGE: u8 = 64;
const EXIT_SOFTWARE: u8 = 70;

const HELP: &str = "\
Render the secret set of an ErpGo and carry its acknowledgements.

Usage: sidecar-secrets run

Environment:
  SIDECAR_BACKEND               kubernetes or vault (required)
  SIDECAR_SECRETS_DIR           where the files go (/var/run/erpgo/secrets)
  SIDECAR_CONTROL_LISTEN        for the operator, probes and metrics (0.0.0.0:8790)
  SIDECAR_ACK_LISTEN            for the app, loopback only (127.0.0.1:8791)
  SIDECAR_CONTROL_TOKEN_FILE    bearer token (/var/run/erpgo/control/token)
  SIDECAR_POLL_INTERVAL         seconds between reads, 5 to 3600 (60)
kubernetes:
  SIDECAR_KUBERNETES_SECRET     name of the Secret (required)
  SIDECAR_KUBERNETES_NAMESPACE  its namespace (required)
  SIDECAR_KUBERNETES_URL        API server (from KUBERNETES_SERVICE_HOST and _PORT)
  SIDECAR_KUBERNETES_CA_FILE    (service account mount)
  SIDECAR_KUBERNETES_TOKEN_FILE (service account mount)
vault:
  SIDECAR_VAULT_ADDRESS         https://host:port (required)
  SIDECAR_VAULT_CA_FILE         PEM bundle (required with https)
  SIDECAR_VAULT_ALLOW_HTTP      true allows plain http beyond loopback (false)
  SIDECAR_VAULT_NAMESPACE       namespace header
  SIDECAR_VAULT_MOUNT           KV v2 mount (secret)
  SIDECAR_VAULT_PATH            path of the document (required)
  SIDECAR_VAULT_AUTH            kubernetes or approle (kubernetes)
  SIDECAR_VAULT_AUTH_MOUNT      (as SIDECAR_VAULT_AUTH)
  SIDECAR_VAULT_ROLE            kubernetes: role (required)
  SIDECAR_VAULT_JWT_FILE        kubernetes: token (/var/run/erpgo/vault-token/token)
  SIDECAR_VAULT_ROLE_ID_FILE    approle (required)
  SIDECAR_VAULT_SECRET_ID_FILE  approle (required)

Exit codes: 0 ended by SIGTERM, 64 usage, 70 cannot serve, 78 configuration invalid
";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve until SIGTERM.
    Run,
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// The arguments name no command.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected one argument: run, --help or --version; settings come from the environment")]
pub struct UsageError;

/// Reads the arguments after the program's name.
///
/// # Errors
/// [`UsageError`] for anything but exactly one known word.
pub fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Command, UsageError> {
    let word = arguments.next().ok_or(UsageError)?;
    if arguments.next().is_some() {
        return Err(UsageError);
    }
    match word.to_str() {
        Some("run") => Ok(Command::Run),
        Some("--help" | "-h" | "help") => Ok(Command::Help),
        Some("--version" | "-V") => Ok(Command::Version),
        _ => Err(UsageError),
    }
}

/// Does what the arguments ask for.
#[must_use]
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    match parse(arguments) {
        Ok(Command::Run) => serve(),
        Ok(Command::Help) => print(HELP),
        Ok(Command::Version) => print(concat!("sidecar-secrets ", env!("CARGO_PKG_VERSION"), "\n")),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "sidecar-secrets: {error}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn serve() -> ExitCode {
    erpgo_secret_set::leave_no_dump();
    let config = match Config::load(|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(invalid) => {
            for fault in &invalid.faults {
                log::error("configuration is invalid", &[("fault", fault)]);
            }
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    match run::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error("cannot serve", &[("error", &log::chain(&error))]);
            ExitCode::from(EXIT_SOFTWARE)
        }
    }
}

fn print(text: &str) -> ExitCode {
    // A closed pipe (`--help | head`) is no failure of ours.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Command, UsageError> {
        parse(words.iter().map(OsString::from))
    }

    #[test]
    fn exactly_one_known_word_is_a_command() {
        assert_eq!(parsed(&["run"]), Ok(Command::Run));
        assert_eq!(parsed(&["--help"]), Ok(Command::Help));
        assert_eq!(parsed(&["--version"]), Ok(Command::Version));
        for wrong in [&[][..], &["serve"], &["run", "--token=x"], &["RUN"]] {
            assert_eq!(parsed(wrong), Err(UsageError), "{wrong:?}");
        }
    }
}
