//! Settings that change while the process runs (R15.4).
//!
//! Owns the watch on the settings file: log level, sign-in limits and feature flags take hold together; a
//! file that is not valid, or gone, changes nothing and is reported once with every fault. What took hold
//! is noted in the audit log by name, never by value.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use erpgo_telemetry::Telemetry;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::audit::{self, Action, Event};
use crate::config::{LiveSettings, MAX_FILE_BYTES, Sources, load};
use crate::db::Database;
use crate::state::AppState;

/// A ConfigMap takes up to a minute to reach the file; looking costs one small read.
const EVERY: Duration = Duration::from_secs(2);

/// Names of settings that took hold and are not in the audit log yet.
type Untold = BTreeSet<&'static str>;

pub(super) async fn watch(
    sources: Sources,
    telemetry: Telemetry,
    state: AppState,
    stop: CancellationToken,
) {
    // What is in force was read from this, or from no file at all.
    let mut seen = read(&sources).await;
    let mut there = seen.is_some();
    let mut untold = Untold::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let content = read(&sources).await;
        if content != seen {
            if content.is_none() && there {
                // In the middle of a mount's change, or a mistake: no reason to fall back to defaults.
                tracing::warn!(
                    "the settings file is gone or cannot be read; the old settings stay"
                );
            } else {
                there = true;
                untold.extend(take_up(&sources, &telemetry, &state.live));
            }
            seen = content;
        }
        let telling = tell(&state.database, &mut untold);
        if stop.run_until_cancelled(telling).await.is_none() {
            return;
        }
    }
}

/// What the file holds, as far as it would be read.
async fn read(sources: &Sources) -> Option<Vec<u8>> {
    use tokio::io::AsyncReadExt as _;
    let mut content = Vec::new();
    let file = tokio::fs::File::open(&sources.file).await.ok()?;
    file.take(MAX_FILE_BYTES)
        .read_to_end(&mut content)
        .await
        .ok()?;
    Some(content)
}

/// The names of what took hold.
fn take_up(
    sources: &Sources,
    telemetry: &Telemetry,
    live: &ArcSwap<LiveSettings>,
) -> Vec<&'static str> {
    match load(sources) {
        Ok(settings) => apply(settings.live, telemetry, live),
        Err(error) => {
            tracing::warn!(faults = ?error.faults, "the changed settings are not valid; the old ones stay");
            Vec::new()
        }
    }
}

fn apply(
    next: LiveSettings,
    telemetry: &Telemetry,
    live: &ArcSwap<LiveSettings>,
) -> Vec<&'static str> {
    let changes = live.load().changes(&next);
    if changes.is_empty() {
        tracing::info!("the settings file has changed in parts that need a restart");
        return changes;
    }
    // The directive was checked with the rest of the file, so this fails only without a subscriber.
    if let Err(error) = telemetry.set_filter(&next.log_level) {
        tracing::warn!(%error, "the changed settings cannot take hold; the old ones stay");
        return Vec::new();
    }
    let next = Arc::new(next);
    live.store(Arc::clone(&next));
    // At warn: whoever has just asked for fewer lines should still see that they were heard.
    tracing::warn!(
        log_level = next.log_level,
        limits = ?next.limits,
        features = ?next.features,
        "changed settings are in force"
    );
    changes
}

/// Notes what took hold. It holds all the same while the database is away; what happened meanwhile is
/// then noted in one event.
async fn tell(database: &Database, untold: &mut Untold) {
    if untold.is_empty() {
        return;
    }
    let event = Event::of_program(Action::SettingsChanged)
        .on("process", process())
        .with(json!({"changed": untold}));
    match audit::record_alone(database, &event).await {
        Ok(()) => untold.clear(),
        Err(error) => {
            tracing::warn!(error = %erpgo_telemetry::chain(&error), "changed settings are not in the audit log yet; the next try follows");
        }
    }
}

/// The pod's name, in a pod.
fn process() -> String {
    std::env::var("HOSTNAME").unwrap_or_else(|_| "erpgo".into())
}
