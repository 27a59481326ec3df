//! The command line: which subcommand, and what its end is worth as an exit code.
//!
//! Owns [`Cli`], [`run`] and [`Exit`]. Arguments never carry a secret (I-04).

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::audit::seal::Head;
use crate::config::{self, Settings, Sources};
use crate::credentials;

const DB_CREDENTIALS: &str = "Examples:
  erpgo db-credentials set --role erp_b --admin-file admin-url --verifier-file verifier
  erpgo db-credentials clear --role erp_a --admin-file admin-url";
const REDIS_CREDENTIALS: &str = "Examples:
  erpgo redis-credentials set --user erp_b --admin-file admin-url --verifier-file verifier
  erpgo redis-credentials clear --user erp_a --admin-file admin-url";

/// The ERP REST API.
#[derive(Debug, Parser)]
#[command(name = "erpgo", version = crate::VERSION)]
pub struct Cli {
    /// Settings file; ERPGO_ variables stand above it.
    #[arg(long, env = "ERPGO_CONFIG", global = true)]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve the API until SIGTERM or SIGINT.
    Serve,
    /// Bring the database to this version's schema.
    Migrate,
    /// Check settings and secret set, list every fault, and end.
    CheckConfig,
    /// Print the OpenAPI document.
    Openapi,
    /// Give a database role its password, or take it away; a Job of the operator runs this.
    #[command(subcommand, after_help = DB_CREDENTIALS)]
    DbCredentials(credentials::database::Order),
    /// Give a Redis user its password, or take it away; a Job of the operator runs this.
    #[command(subcommand, after_help = REDIS_CREDENTIALS)]
    RedisCredentials(credentials::redis::Order),
    /// The audit log.
    Audit {
        /// What to do with it.
        #[command(subcommand)]
        command: AuditCommand,
    },
}

/// What can be done with the audit log.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum AuditCommand {
    /// Walk the chain from the first link to the last, and name the first break.
    Verify {
        /// A head of the chain that was kept elsewhere, as `position:hash`: the chain must still hold it.
        #[arg(long)]
        anchor: Option<Head>,
    },
}

/// How a subcommand ends; the number is the exit code that scripts and Jobs rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Broken in a way that a retry does not help.
    Failed = 1,
    /// An SQL error in a migration: stop.
    Migration = 65,
    /// The database is away or a lock timed out: retry.
    Temporary = 75,
    /// Migrations are pending, or the schema is newer than this program.
    Schema = 76,
    /// A destructive migration was refused.
    Destructive = 77,
    /// Settings or secret set are not valid.
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Runs the subcommand.
#[must_use]
pub fn run(cli: &Cli) -> ExitCode {
    erpgo_secret_set::leave_no_dump();
    // Two TLS back ends could be compiled in; this names the one that is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match &cli.command {
        Command::Openapi => openapi(),
        Command::Serve => with_settings(cli, crate::serve::run),
        Command::Migrate => with_settings(cli, crate::migrate::run),
        Command::CheckConfig => with_settings(cli, crate::serve::check),
        Command::DbCredentials(order) => with_settings(cli, |settings, sources| {
            credentials::database::run(order, &settings, &sources)
        }),
        Command::RedisCredentials(order) => with_settings(cli, |settings, sources| {
            credentials::redis::run(order, &settings, &sources)
        }),
        Command::Audit {
            command: AuditCommand::Verify { anchor },
        } => with_settings(cli, |settings, _| {
            crate::audit::verify::run(&settings, *anchor)
        }),
    }
    .into()
}

fn with_settings(cli: &Cli, run: impl FnOnce(Settings, Sources) -> Exit) -> Exit {
    let sources = Sources {
        file: cli.config.clone().unwrap_or_else(config::default_file),
        required: cli.config.is_some(),
    };
    match config::load(&sources) {
        Ok(settings) => run(settings, sources),
        Err(error) => {
            list_faults("the configuration is not valid", &error.faults);
            Exit::Config
        }
    }
}

/// Lists faults for people, one a line.
#[expect(clippy::print_stderr, reason = "what a person at a terminal reads")]
pub fn list_faults(headline: &str, faults: &[String]) {
    eprintln!("erpgo: {headline}");
    for fault in faults {
        eprintln!("  - {fault}");
    }
}

#[expect(clippy::print_stdout, reason = "the document is the output")]
fn openapi() -> Exit {
    match crate::router::document().to_pretty_json() {
        Ok(text) => {
            println!("{text}");
            Exit::Ok
        }
        Err(error) => {
            list_faults("the document cannot be written", &[error.to_string()]);
            Exit::Failed
        }
    }
}
