//! The process: one thread, one engine, two servers, until SIGTERM.
//!
//! Owns start and end. It listens before the first read, so that a probe gets an answer from the
//! start, and ends within a second: waits are cut, the Vault token is given back, the set stays.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::backend::Backend;
use crate::config::Config;
use crate::engine::Engine;
use crate::schedule::Schedule;
use crate::shared::Shared;
use crate::sink::{Tmpfs, restore};
use crate::status::Status;
use crate::{log, server};

// For answers that are on their way out; with the token's 300 ms well within a second.
const DRAIN: Duration = Duration::from_millis(400);

/// Why the process cannot serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("cannot start the runtime")]
    Runtime(#[source] std::io::Error),
    #[error("cannot listen on {address}: another process may have the port")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("cannot wait for signals")]
    Signals(#[source] std::io::Error),
}

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(config: Config) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Only the resolver blocks, and a thread that it no longer needs should not stay.
        .max_blocking_threads(1)
        .thread_keep_alive(Duration::from_secs(1))
        .build()
        .map_err(RunError::Runtime)?;
    let outcome = runtime.block_on(serve(config));
    // A resolver that hangs must not hold the process back.
    runtime.shutdown_timeout(Duration::from_millis(50));
    outcome
}

async fn serve(config: Config) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let control = listen(config.control_listen).await?;
    let acks = listen(config.ack_listen).await?;
    announce(&config, &control, &acks);

    let token_file = config.control_token_file.clone();
    let (mut engine, shared) = assemble(config);
    let sink = Arc::clone(&engine.sink);
    let (stop, stopped) = watch::channel(false);
    let control = server::control(control, token_file, Arc::clone(&shared), stopped.clone());
    let acks = server::ack(acks, sink, shared, stopped);
    let servers = tokio::spawn(async { tokio::join!(control, acks) });
    tokio::select! {
        () = engine.run() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    log::info("ending", &[]);
    stop.send_replace(true);
    engine.farewell().await;
    let _ = tokio::time::timeout(DRAIN, servers).await;
    Ok(())
}

fn assemble(config: Config) -> (Engine, Arc<Shared>) {
    let now = Instant::now();
    let held = restore(&config.secrets_dir);
    let read_at = held.as_ref().map_or(Timestamp::now(), |held| held.read_at);
    let (held, ack) = held.map_or((None, None), |held| (Some(held.manifest), held.ack));
    let generation = held.as_ref().map(|manifest| manifest.generation);
    if let Some(generation) = generation {
        log::info(
            "found a whole set from before",
            &[("generation", &generation)],
        );
    }
    let shared = Arc::new(Shared::new(Status::restored(generation, ack, read_at), now));
    let engine = Engine {
        backend: Backend::new(config.backend, Arc::clone(&shared.counters)),
        schedule: Schedule::new(config.poll_interval, now),
        sink: Arc::new(Tmpfs::new(config.secrets_dir)),
        held,
        revision: None,
        shared: Arc::clone(&shared),
    };
    (engine, shared)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, RunError> {
    let listened = TcpListener::bind(address).await;
    listened.map_err(|source| RunError::Listen { address, source })
}

fn announce(config: &Config, control: &TcpListener, acks: &TcpListener) {
    // Where port 0 was asked for, this line is the only place that tells the port.
    let port = |listener: &TcpListener| listener.local_addr().map_or(0, |address| address.port());
    log::info(
        "started",
        &[
            ("version", &env!("CARGO_PKG_VERSION")),
            ("control_port", &port(control)),
            ("ack_port", &port(acks)),
            ("secrets_dir", &config.secrets_dir.display()),
            ("poll_seconds", &config.poll_interval.as_secs()),
            ("backend", &config.backend),
        ],
    );
}
