//! The serve and check-config subcommands.
//!
//! Owns the order of a start and of an end. No request is answered from the database before its
//! schema was found complete (I-01).

mod check;
mod expose;
mod hit_rate;
mod reload;
mod schema;
mod stop;
mod tasks;
mod warm;

use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cli::Exit;
use crate::config::{Settings, Sources};
use crate::db::{self, Database};
use crate::secrets::Keyring;
use crate::server::{self, Server};
use crate::shutdown::{Phase, wait_for_signal};
use crate::start::{self, Begun, failed};
use crate::state::AppState;
use crate::{audit, router};

pub use check::check;

/// What still runs once all is closed may take so long to end.
const LEAVE: Duration = Duration::from_millis(100);

/// Serves until SIGTERM or SIGINT.
#[must_use]
pub fn run(settings: Settings, sources: Sources) -> Exit {
    match start::runtime() {
        Ok(runtime) => {
            let exit = runtime.block_on(serve(settings, sources));
            // A resolver that hangs must not hold the process back.
            runtime.shutdown_timeout(LEAVE);
            exit
        }
        Err(exit) => exit,
    }
}

struct Listeners {
    api: TcpListener,
    metrics: TcpListener,
}

async fn serve(settings: Settings, sources: Sources) -> Exit {
    let Begun {
        source,
        set,
        telemetry,
    } = match start::begin(&settings).await {
        Ok(begun) => begun,
        Err(exit) => return exit,
    };
    let pool = match db::lazy_pool(&set.keys.database.current.value, &settings.database) {
        Ok(pool) => pool,
        Err(error) => return failed("the database cannot be used", &error),
    };
    let listeners = match bind(&settings).await {
        Ok(listeners) => listeners,
        Err(error) => return failed("the address cannot be listened on", &error),
    };
    let state = AppState::new(settings, Keyring::new(set), Database::new(pool));
    let stop = CancellationToken::new();
    let started = tasks::Started {
        source,
        sources,
        telemetry: telemetry.clone(),
    };
    tasks::spawn(&state, started, &stop);
    tokio::spawn(expose::serve(listeners.metrics, state.clone()));
    let accepting = CancellationToken::new();
    let serving = tokio::spawn(api(&state, listeners.api).run(accepting.clone()));
    tracing::info!(version = crate::VERSION, listen = %state.settings.listen, "listening");
    let exit = until_told(&state).await;
    stop::hooks(&state, telemetry, stop, accepting, serving)
        .run()
        .await;
    exit
}

async fn bind(settings: &Settings) -> std::io::Result<Listeners> {
    Ok(Listeners {
        api: server::listen(settings.listen, settings.http.max_connections)?,
        metrics: TcpListener::bind(settings.metrics_listen).await?,
    })
}

fn api(state: &AppState, listener: TcpListener) -> Server {
    Server {
        listener,
        router: router::router(state.clone()),
        max_connections: state.settings.http.max_connections,
        patience: server::PATIENCE,
        wind_down: state.settings.shutdown_drain / 10,
        drain: state.settings.shutdown_drain,
    }
}

/// Before the first request: a process that slept for months finds its months missing.
async fn prepare(state: &AppState) {
    if let Err(error) = audit::keep::prepare(&state.database).await {
        tracing::warn!(error = %erpgo_telemetry::chain(&error), "the audit log's months are not prepared; the next try follows");
    }
}

/// Serves once the schema is complete, until a signal.
async fn until_told(state: &AppState) -> Exit {
    let ready = async {
        let verdict = schema::wait_until_complete(&state.database).await;
        if verdict == Exit::Ok {
            warm::up(state).await;
            prepare(state).await;
            state.lifecycle.advance(Phase::Serving);
            tracing::info!("ready");
            std::future::pending::<()>().await;
        }
        verdict
    };
    tokio::select! {
        exit = ready => exit,
        signal = wait_for_signal() => match signal {
            Ok(signal) => {
                tracing::info!(signal, "shutting down");
                Exit::Ok
            }
            Err(error) => failed("signals cannot be waited for", &error),
        },
    }
}
