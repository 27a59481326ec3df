//! From flags to a running controller and back.
//!
//! Owns the order of start and end. Exit codes: 0 after SIGTERM, 1 when it cannot begin, 3 when the
//! leader lease is lost.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::config::{LogFormat, RunArgs};
use super::discovery::{self, DiscoveryError};
use super::health::{self, Health, ListenError};
use super::lease::{Candidate, LeaseLost, LeaseObject, Timing};
use super::metrics::Metrics;
use crate::reconcile::Context;

const FLUSH: Duration = Duration::from_secs(5);

/// Why the process ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The log cannot be set up.
    #[error("the log cannot be set up")]
    Telemetry(#[source] erpgo_telemetry::TelemetryError),
    /// No cluster is configured.
    #[error("no cluster is configured: run in a pod, or set KUBECONFIG")]
    Config(#[source] kube::config::InferConfigError),
    /// The client cannot be made.
    #[error("the Kubernetes client cannot be made")]
    Client(#[source] kube::Error),
    /// The cluster does not serve what is needed.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The endpoints cannot be served.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Metrics cannot be registered.
    #[error("the metrics cannot be registered")]
    Metrics(#[source] prometheus::Error),
    /// The client for control ports cannot be made.
    #[error("the client for the pods' control ports cannot be made")]
    Acks(#[source] reqwest::Error),
    /// Signals cannot be received.
    #[error("signals cannot be received")]
    Signals(#[source] std::io::Error),
    /// The lease is lost.
    #[error(transparent)]
    Lost(#[from] LeaseLost),
}

impl RunError {
    /// The exit code of the process.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Lost(_) => ExitCode::from(3),
            _ => ExitCode::FAILURE,
        }
    }
}

/// Runs the operator until it is told to end.
///
/// # Errors
/// [`RunError`] when it cannot begin or loses the lease.
pub async fn run(args: RunArgs) -> Result<(), RunError> {
    let telemetry = erpgo_telemetry::install(&log_options(&args)).map_err(RunError::Telemetry)?;
    // Fails only if a provider is there already, and then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = serve(&args).await;
    if let Err(error) = &result {
        tracing::error!(error = %erpgo_telemetry::chain(error), "the operator ends");
    }
    // The exporter's last flush blocks; a collector that is away must not hold up the end.
    let flush = tokio::task::spawn_blocking(move || telemetry.shutdown());
    let _ = tokio::time::timeout(FLUSH, flush).await;
    result
}

fn log_options(args: &RunArgs) -> erpgo_telemetry::Options {
    erpgo_telemetry::Options {
        service: "erpgo-operator",
        version: env!("CARGO_PKG_VERSION"),
        format: match args.log_format {
            LogFormat::Json => erpgo_telemetry::Format::Json,
            LogFormat::Text => erpgo_telemetry::Format::Text,
        },
        filter: args.log_level.clone(),
        otlp: args
            .otlp_endpoint
            .clone()
            .filter(|endpoint| !endpoint.is_empty())
            .map(|endpoint| erpgo_telemetry::Otlp {
                endpoint,
                sample_ratio: 1.0,
            }),
    }
}

async fn serve(args: &RunArgs) -> Result<(), RunError> {
    let shutdown = shutdown_flag()?;
    let config = kube::Config::infer().await.map_err(RunError::Config)?;
    let namespace = own_namespace(args, &config.default_namespace);
    let client = Client::try_from(config).map_err(RunError::Client)?;
    discovery::require_crd(&client).await?;

    let health = Arc::new(Health::new(Metrics::new().map_err(RunError::Metrics)?));
    let listener = health::listen(args.metrics_listen).await?;
    let endpoints = tokio::spawn(health::serve(listener, Arc::clone(&health)));
    health.set_ready(true);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        namespace = args.namespace.as_deref().unwrap_or("(all)"),
        leader_elect = args.leader_elect,
        "the operator begins"
    );

    let result = if args.leader_elect {
        lead(args, &client, &namespace, &health, shutdown).await
    } else {
        health.metrics.set_leader(true);
        work(args, &client, &namespace, &health, shutdown).await
    };
    health.set_ready(false);
    endpoints.abort();
    result
}

fn own_namespace(args: &RunArgs, fallback: &str) -> String {
    match args.own_namespace.as_deref() {
        None | Some("") => fallback.to_owned(),
        Some(name) => name.to_owned(),
    }
}

async fn lead(
    args: &RunArgs,
    client: &Client,
    namespace: &str,
    health: &Arc<Health>,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), RunError> {
    let lease = LeaseObject::new(client.clone(), namespace, &args.lease_name);
    let mut candidate = Candidate::new(identity(), lease, Timing::default());
    tracing::info!(
        lease = args.lease_name,
        "waiting for the leader lease as a hot standby"
    );
    tokio::select! {
        () = candidate.acquire() => {}
        _ = shutdown.wait_for(|stop| *stop) => return Ok(()),
    }
    tracing::info!("this process leads");
    health.metrics.set_leader(true);
    let result = tokio::select! {
        lost = candidate.hold() => Err(RunError::Lost(lost)),
        done = work(args, client, namespace, health, shutdown) => done,
    };
    health.metrics.set_leader(false);
    if result.is_ok() {
        candidate.release().await;
    }
    result
}

async fn work(
    args: &RunArgs,
    client: &Client,
    namespace: &str,
    health: &Arc<Health>,
    shutdown: watch::Receiver<bool>,
) -> Result<(), RunError> {
    let present = discovery::presence(client)
        .await
        .map_err(DiscoveryError::Api)?;
    let (sender, apis) = watch::channel(present);
    let refresh = tokio::spawn(discovery::refresh(client.clone(), sender));
    let plan_config = args.plan_config(namespace);
    let context = Context::new(client.clone(), plan_config, Arc::clone(health), apis);
    let context = Arc::new(context.map_err(RunError::Acks)?);
    super::controller::run(context, &args.reach(), shutdown).await;
    refresh.abort();
    Ok(())
}

fn shutdown_flag() -> Result<watch::Receiver<bool>, RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to end: what is under way finishes first");
        let _ = sender.send(true);
    });
    Ok(receiver)
}

// A pod that restarts must not take its former self for the holder.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "operator".into());
    let mut random = [0_u8; 4];
    // Without randomness the process id still tells two processes of one host apart.
    if getrandom::fill(&mut random).is_err() {
        random = std::process::id().to_le_bytes();
    }
    format!("{host}_{}", hex::encode(random))
}
