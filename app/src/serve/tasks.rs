//! What runs beside the requests.
//!
//! Owns the list. Each task ends when it is told to; none of them can end the process.

use std::time::Duration;

use erpgo_telemetry::Telemetry;
use tokio_util::sync::CancellationToken;

use super::{hit_rate, reload};
use crate::config::Sources;
use crate::db::Total;
use crate::metrics::METRICS;
use crate::secrets::{Acks, Source, Watched, pepper, watch};
use crate::state::AppState;
use crate::{api_keys, audit, auth, cache, mail, users};

const COUNT_EVERY: Duration = Duration::from_secs(60);

/// What a start leaves behind for its tasks.
pub(super) struct Started {
    pub(super) source: Source,
    pub(super) sources: Sources,
    pub(super) telemetry: Telemetry,
}

pub(super) fn spawn(state: &AppState, started: Started, stop: &CancellationToken) {
    tokio::spawn(cache::supervise(
        state.redis.clone(),
        state.keyring.clone(),
        state.sessions.clone(),
        stop.clone(),
    ));
    tokio::spawn(auth::hear::run(state.clone(), stop.clone()));
    tokio::spawn(reload::watch(
        started.sources,
        started.telemetry,
        state.clone(),
        stop.clone(),
    ));
    tokio::spawn(audit::keep::keep(
        state.database.clone(),
        state.lifecycle.clone(),
        state.settings.audit.seal_every,
        stop.clone(),
    ));
    let refusals = state.refusals.clone();
    tokio::spawn(refusals.run(state.database.clone(), stop.clone()));
    tokio::spawn(count(state.clone(), stop.clone()));
    tokio::spawn(hit_rate::publish(stop.clone()));
    tokio::spawn(mail::run(state.clone(), stop.clone()));
    tokio::spawn(auth::sweep::run(state.database.clone(), stop.clone()));
    if matches!(started.source, Source::Directory(_)) {
        secrets(state, started.source, stop);
    }
}

fn secrets(state: &AppState, source: Source, stop: &CancellationToken) {
    let acks = Acks::new();
    if let Some(url) = state.settings.secrets.ack_url.clone() {
        tokio::spawn(acks.clone().deliver(url, stop.clone()));
    }
    tokio::spawn(pepper::count(
        state.keyring.clone(),
        state.database.clone(),
        acks.clone(),
        stop.clone(),
    ));
    let watched = Watched {
        source,
        keyring: state.keyring.clone(),
        database: state.database.clone(),
        redis: state.redis.clone(),
        settings: state.settings.database.clone(),
        acks,
    };
    tokio::spawn(watch(watched, stop.clone()));
}

/// Counts what no request counts.
async fn count(state: AppState, stop: CancellationToken) {
    loop {
        let counted = async {
            let mut connection = state.database.acquire_in_turn().await?;
            let users = users::store::count_active(&mut connection).await?;
            let keys = api_keys::count_active(&mut connection).await?;
            crate::error::Result::<_>::Ok((users, keys))
        };
        if let Ok((users, keys)) = counted.await {
            let number = |total: Total| i64::try_from(total.rows).unwrap_or(i64::MAX);
            METRICS.users_active.set(number(users));
            METRICS.api_keys_active.set(number(keys));
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(COUNT_EVERY) => {}
        }
    }
}
