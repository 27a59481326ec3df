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
  SIDECAR_BACKEND               kubernetes, vault or aws (required)
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
  SIDECAR_VAULT_AUTH            kubernetes, jwt or approle (kubernetes)
  SIDECAR_VAULT_AUTH_MOUNT      (as SIDECAR_VAULT_AUTH)
  SIDECAR_VAULT_ROLE            kubernetes, jwt: role (required)
  SIDECAR_VAULT_JWT_FILE        kubernetes, jwt: token (/var/run/erpgo/vault-token/token)
  SIDECAR_VAULT_ROLE_ID_FILE    approle (required)
  SIDECAR_VAULT_SECRET_ID_FILE  approle (required)
aws:
  SIDECAR_AWS_REGION            such as eu-central-1 (required)
  SIDECAR_AWS_SECRET_ID         name or ARN of the secret (required)
  SIDECAR_AWS_ENDPOINT          Secrets Manager (that of the region)
  SIDECAR_AWS_STS_ENDPOINT      STS (that of the region)
  SIDECAR_AWS_CA_FILE           PEM bundle (required with https)
  SIDECAR_AWS_ALLOW_HTTP        true allows plain http beyond loopback (false)
  SIDECAR_AWS_AUTH              web-identity, pod-identity or files (required)
  SIDECAR_AWS_ROLE_ARN          web-identity: role (required)
  SIDECAR_AWS_TOKEN_FILE        web-identity: token (/var/run/erpgo/aws-token/token)
  AWS_CONTAINER_CREDENTIALS_FULL_URI
                                pod-identity: the node's agent (required)
  AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
                                pod-identity: token (required)
  SIDECAR_AWS_ACCESS_KEY_ID_FILE
                                files (required)
  SIDECAR_AWS_SECRET_ACCESS_KEY_FILE
                                files (required)

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
    use std::cell::RefCell;
    use std::collections::BTreeSet;

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

    /// The variables that are read, each with what it must be where it is set to something else.
    fn read(chosen: &[(&str, &str)]) -> (BTreeSet<String>, Vec<String>) {
        let names = RefCell::new(BTreeSet::new());
        let loaded = Config::load(|name| {
            names.borrow_mut().insert(name.to_owned());
            let choice = chosen.iter().find(|(chosen, _)| *chosen == name);
            choice.map(|(_, value)| (*value).to_owned())
        });
        let faults = loaded.err().map_or_else(Vec::new, |invalid| invalid.faults);
        (
            names.into_inner(),
            faults.iter().map(ToString::to_string).collect(),
        )
    }

    fn line_of(name: &str) -> &'static str {
        let mut lines = HELP.split("\n  ");
        lines
            .find(|line| line.split_whitespace().next() == Some(name))
            .unwrap_or_default()
    }

    const CHOICES: [[(&str, &str); 2]; 7] = [
        [("SIDECAR_BACKEND", "kubernetes"), ("", "")],
        [
            ("SIDECAR_BACKEND", "vault"),
            ("SIDECAR_VAULT_AUTH", "kubernetes"),
        ],
        [("SIDECAR_BACKEND", "vault"), ("SIDECAR_VAULT_AUTH", "jwt")],
        [
            ("SIDECAR_BACKEND", "vault"),
            ("SIDECAR_VAULT_AUTH", "approle"),
        ],
        [
            ("SIDECAR_BACKEND", "aws"),
            ("SIDECAR_AWS_AUTH", "web-identity"),
        ],
        [
            ("SIDECAR_BACKEND", "aws"),
            ("SIDECAR_AWS_AUTH", "pod-identity"),
        ],
        [("SIDECAR_BACKEND", "aws"), ("SIDECAR_AWS_AUTH", "files")],
    ];

    #[test]
    fn the_help_has_a_line_for_every_variable_that_is_read() {
        // What the cluster sets by itself.
        let given = ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"];
        let plain = [("SIDECAR_VAULT_ADDRESS", "https://vault:8200")];
        for chosen in CHOICES {
            let (names, _) = read(&[&chosen[..], &plain].concat());
            assert!(names.len() > 8, "{chosen:?} reads {names:?}");
            for name in names.iter().filter(|name| !given.contains(&name.as_str())) {
                assert_ne!(line_of(name), "", "{name}");
            }
        }
    }

    #[test]
    fn the_help_names_every_choice() {
        for [backend, auth] in CHOICES {
            for (name, value) in [backend, auth] {
                assert!(line_of(name).contains(value), "{name}: {value}");
            }
        }
        let wrong = [[("SIDECAR_BACKEND", "none"), ("", "")]];
        let wrong = wrong.into_iter().chain([
            [CHOICES[1][0], ("SIDECAR_VAULT_AUTH", "none")],
            [CHOICES[4][0], ("SIDECAR_AWS_AUTH", "none")],
        ]);
        for chosen in wrong {
            let (name, _) = chosen
                .into_iter()
                .find(|(_, value)| *value == "none")
                .unwrap();
            let (_, faults) = read(&chosen);
            let must_be = format!("{name} must be ");
            let said = faults.iter().find_map(|fault| fault.strip_prefix(&must_be));
            assert!(line_of(name).contains(said.unwrap()), "{name}: {said:?}");
        }
    }
}
