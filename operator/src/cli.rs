//! The command line.
//!
//! Owns the subcommands and what they print. Reading a file is the only I/O of `plan`.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use erpgo_crds::ErpGo;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

use crate::reconcile::config::Config;
use crate::reconcile::inputs;
use crate::reconcile::names::{REVOKE, ROTATE};
use crate::reconcile::observed::{JobFacts, JobState, Observed};
use crate::reconcile::plan::{Plan, plan};
use crate::reconcile::preview;
use crate::reconcile::rotation_log::{self, LOG_KEY};
use crate::reconcile::validate::validate;
use crate::rotation::log::{Entry, LogFault, verify};
use crate::runtime::{self, config::RunArgs};

const EXAMPLES: &str = "Examples:
  erpgo-operator plan -f erpgo.yaml                what would be made of a manifest, with no cluster
  erpgo-operator plan -f erpgo.yaml -o yaml        the objects themselves
  erpgo-operator plan -f erpgo.yaml --rotate jwt   what a rotation would touch
  kubectl get cm shop-rotation-log -o yaml | erpgo-operator verify-log -f -
  erpgo-operator crd | kubectl apply --server-side -f -
  erpgo-operator run --namespace shop              look after one namespace
  erpgo-operator completion bash > /etc/bash_completion.d/erpgo-operator";

// A manifest is a few kilobytes; etcd takes 1.5 MiB at most.
const MAX_FILE: u64 = 2 << 20;

#[derive(Parser)]
#[command(name = "erpgo-operator", version, about = "Turns an ErpGo resource into a running ERP API", after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Look after the ErpGos of a cluster or a namespace
    Run(RunArgs),
    /// Show what would be made of a manifest, with no cluster
    Plan(PlanArgs),
    /// Check the chain of a rotation log
    VerifyLog {
        /// The ConfigMap NAME-rotation-log as YAML; - reads standard input
        #[arg(short, long)]
        file: PathBuf,
    },
    /// Print the CustomResourceDefinition
    Crd,
    /// Print a completion script
    Completion {
        /// Shell to complete for
        shell: clap_complete::Shell,
    },
}

#[derive(clap::Args)]
struct PlanArgs {
    /// Manifest of an ErpGo; - reads standard input
    #[arg(short, long)]
    file: PathBuf,
    /// Observation to plan from, as YAML; without it: an empty cluster in which the migrations have
    /// succeeded
    #[arg(long)]
    observed: Option<PathBuf>,
    /// Tell what a rotation would touch: KEY[,KEY…], as the annotation erpgo.io/rotate has it
    #[arg(long, value_name = "KEYS")]
    rotate: Option<String>,
    /// Tell what a revocation would touch: KEY/KID, as the annotation erpgo.io/revoke has it
    #[arg(long, value_name = "KEY/KID")]
    revoke: Option<String>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
    #[command(flatten)]
    images: ImageArgs,
}

#[derive(clap::Args)]
struct ImageArgs {
    /// Image of the sidecar
    #[arg(
        long,
        env = "ERPGO_OPERATOR_SIDECAR_IMAGE",
        default_value = "sidecar-secrets"
    )]
    sidecar_image: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    /// One line an object
    Table,
    /// The objects in the order in which they are applied
    Yaml,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error("{} cannot be read", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    #[error("{} is not valid: {fault}", path.display())]
    Parse { path: PathBuf, fault: String },
    #[error("the output cannot be written")]
    Write(#[source] std::io::Error),
    #[error("the output cannot be formatted as YAML")]
    Format(#[source] serde_saphyr::ser::Error),
    #[error("the spec is refused: correct the fields above")]
    Refused,
    #[error("{} has no key {LOG_KEY}: pass the ConfigMap NAME-rotation-log", .0.display())]
    NoLog(PathBuf),
    #[error("the rotation log is not whole")]
    Log(#[source] LogFault),
}

/// Runs what the command line asks for.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => run(args),
        Command::Plan(args) => finish(show_plan(&args)),
        Command::VerifyLog { file } => finish(verify_log(&file)),
        Command::Crd => finish(print_crd()),
        Command::Completion { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "erpgo-operator", &mut out);
            finish(print(&String::from_utf8_lossy(&out)))
        }
    }
}

fn run(args: RunArgs) -> ExitCode {
    erpgo_secret_set::leave_no_dump();
    // Two threads, however many cores there are: each more keeps a heap of its own.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(runtime::run(args)),
        Err(error) => return finish(Err(CliError::Write(error))),
    };
    // Its own log has said why.
    outcome.map_or_else(|error| error.exit_code(), |()| ExitCode::SUCCESS)
}

fn finish(outcome: Result<(), CliError>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error that is closed leaves nobody to tell.
            let _ = writeln!(
                std::io::stderr(),
                "error: {}",
                erpgo_telemetry::chain(&error)
            );
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> Result<(), CliError> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(CliError::Write)
}

fn print_crd() -> Result<(), CliError> {
    print(&erpgo_crds::crd_yaml().map_err(CliError::Format)?)
}

fn show_plan(args: &PlanArgs) -> Result<(), CliError> {
    let erpgo = asked(parse(&args.file)?, args);
    let observed = match &args.observed {
        Some(path) => parse(path)?,
        None => ideal(&erpgo),
    };
    let config = Config {
        sidecar_image: args.images.sidecar_image.clone(),
        operator_namespace: "erpgo-system".into(),
    };
    let erpgo = with_uid(erpgo);
    let plan = plan(&erpgo, &observed, &config, Timestamp::now());
    match args.output {
        Output::Table => {
            print(&table(&plan))?;
            print(&preview(&erpgo, &observed))?;
        }
        Output::Yaml => print(&yaml(&plan)?)?,
    }
    if plan.invalid.is_empty() {
        Ok(())
    } else {
        Err(CliError::Refused)
    }
}

// The flags stand for annotations that are not there yet.
fn asked(mut erpgo: ErpGo, args: &PlanArgs) -> ErpGo {
    let annotations = erpgo.metadata.annotations.get_or_insert_default();
    for (name, text) in [(ROTATE, &args.rotate), (REVOKE, &args.revoke)] {
        annotations.extend(text.clone().map(|text| (name.to_owned(), text)));
    }
    erpgo
}

fn preview(erpgo: &ErpGo, observed: &Observed) -> String {
    let lines = validate(erpgo).map(|app| preview::lines(&app, observed));
    let lines = lines.unwrap_or_default().into_iter();
    lines.map(|line| line + "\n").collect()
}

// A manifest has no uid yet, and children need one to be owned.
fn with_uid(mut erpgo: ErpGo) -> ErpGo {
    erpgo
        .metadata
        .uid
        .get_or_insert_with(|| "00000000-0000-0000-0000-000000000000".into());
    erpgo
}

fn verify_log(path: &Path) -> Result<(), CliError> {
    let map: ConfigMap = parse(path)?;
    let text = map.data.and_then(|mut data| data.remove(LOG_KEY));
    let text = text.ok_or_else(|| CliError::NoLog(path.to_owned()))?;
    let log = rotation_log::parse(&text);
    if log.len() != text.lines().count() {
        let last = log.last().map_or(0, |entry| entry.number);
        return Err(CliError::Log(LogFault::Broken(last)));
    }
    let entries = verify(&log).map_err(CliError::Log)?;
    let number = |entry: Option<&Entry>| entry.map_or(0, |entry| entry.number);
    let (first, last) = (number(log.first()), number(log.last()));
    print(&format!(
        "{entries} entries, {first} to {last}: the chain is whole\n"
    ))
}

/// An empty cluster in which all inputs are there and the migrations have succeeded.
fn ideal(erpgo: &ErpGo) -> Observed {
    Observed {
        migration_job: Some(JobFacts {
            state: JobState::Succeeded,
            attempt: 1,
            ..JobFacts::default()
        }),
        ..inputs::present(erpgo)
    }
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, CliError> {
    let read = |source| CliError::Read(path.to_owned(), source);
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin()
            .take(MAX_FILE)
            .read_to_string(&mut text)
            .map_err(read)?;
    } else {
        let file = std::fs::File::open(path).map_err(read)?;
        file.take(MAX_FILE)
            .read_to_string(&mut text)
            .map_err(read)?;
    }
    serde_saphyr::from_str(&text).map_err(|error| CliError::Parse {
        path: path.to_owned(),
        fault: error.to_string(),
    })
}

fn table(plan: &Plan) -> String {
    let mut text = format!("phase    {:?}\n", plan.phase);
    for fault in &plan.invalid {
        text.push_str(&format!("refused  {}: {}\n", fault.field, fault.message));
    }
    if let Some(waiting) = &plan.waiting {
        text.push_str(&format!("waiting  {}\n", waiting.message()));
    }
    for effect in &plan.effects {
        text.push_str(&format!("effect   {effect:?}\n"));
    }
    for note in plan.rotation.iter().flat_map(|decided| &decided.notes) {
        text.push_str(&format!("rotation {}: {}\n", note.subject, note.message));
    }
    for object in plan.desired.iter().flat_map(|desired| desired.manifests()) {
        let part = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or("?")
                .to_owned()
        };
        text.push_str(&format!(
            "apply    {:<24} {}\n",
            part("/kind"),
            part("/metadata/name")
        ));
    }
    for note in &plan.notes {
        text.push_str(&format!("note     {}: {}\n", note.object, note.message));
    }
    text
}

fn yaml(plan: &Plan) -> Result<String, CliError> {
    let objects = plan
        .desired
        .as_ref()
        .map(|desired| desired.manifests())
        .unwrap_or_default();
    let mut text = String::new();
    for object in &objects {
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(object).map_err(CliError::Format)?);
    }
    Ok(text)
}
