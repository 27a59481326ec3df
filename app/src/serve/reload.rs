//! Settings that change while the process runs (R15.4).
//!
//! Owns the watch on the settings file: log level, sign-in limits and feature flags take hold together; a
//! file that is not valid, or gone, changes nothing and is reported once with every fault.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use erpgo_telemetry::Telemetry;
use tokio_util::sync::CancellationToken;

use crate::config::{LiveSettings, MAX_FILE_BYTES, Sources, load};

/// A ConfigMap takes up to a minute to reach the file; looking costs one small read.
const EVERY: Duration = Duration::from_secs(2);

pub(super) async fn watch(
    sources: Sources,
    telemetry: Telemetry,
    live: Arc<ArcSwap<LiveSettings>>,
    stop: CancellationToken,
) {
    // What is in force was read from this, or from no file at all.
    let mut seen = read(&sources).await;
    let mut there = seen.is_some();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let content = read(&sources).await;
        if content == seen {
            continue;
        }
        if content.is_none() && there {
            // In the middle of a mount's change, or a mistake: no reason to fall back to defaults.
            tracing::warn!("the settings file is gone or cannot be read; the old settings stay");
        } else {
            there = true;
            take_up(&sources, &telemetry, &live);
        }
        seen = content;
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

fn take_up(sources: &Sources, telemetry: &Telemetry, live: &ArcSwap<LiveSettings>) {
    match load(sources) {
        Ok(settings) => apply(settings.live, telemetry, live),
        Err(error) => {
            tracing::warn!(faults = ?error.faults, "the changed settings are not valid; the old ones stay");
        }
    }
}

fn apply(next: LiveSettings, telemetry: &Telemetry, live: &ArcSwap<LiveSettings>) {
    if **live.load() == next {
        tracing::info!("the settings file has changed in parts that need a restart");
        return;
    }
    // The directive was checked with the rest of the file, so this fails only without a subscriber.
    if let Err(error) = telemetry.set_filter(&next.log_level) {
        tracing::warn!(%error, "the changed settings cannot take hold; the old ones stay");
        return;
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
}
