//! What the engine and the two servers have in common.
//!
//! Owns [`Shared`]: the status that anyone may wait on, the nudge, the counters and the engine's
//! promise of its next step. Nothing here waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use erpgo_secret_set::Generation;
use tokio::sync::watch;

use crate::counters::Counters;
use crate::status::Status;

/// The meeting point of the tasks.
pub(crate) struct Shared {
    status: watch::Sender<Status>,
    nudge: watch::Sender<Generation>,
    pub(crate) counters: Arc<Counters>,
    started: Instant,
    // Milliseconds after `started` until which the engine is known to be well.
    promised_millis: AtomicU64,
}

impl Shared {
    pub(crate) fn new(status: Status, now: Instant) -> Self {
        Self {
            status: watch::Sender::new(status),
            nudge: watch::Sender::new(Generation(0)),
            counters: Arc::default(),
            started: now,
            promised_millis: AtomicU64::new(u64::MAX),
        }
    }

    /// Reads the status.
    pub(crate) fn status(&self) -> watch::Ref<'_, Status> {
        self.status.borrow()
    }

    /// Changes the status and wakes whoever waits on it.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Status) -> T) -> Option<T> {
        let mut result = None;
        self.status
            .send_modify(|status| result = Some(change(status)));
        result
    }

    /// A way to wait for a status.
    pub(crate) fn watch(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Tells the engine that `wanted` is there to be read.
    pub(crate) fn nudge(&self, wanted: Generation) {
        self.nudge.send_replace(wanted);
    }

    /// A way to wait for a nudge.
    pub(crate) fn nudges(&self) -> watch::Receiver<Generation> {
        self.nudge.subscribe()
    }

    /// The engine will be back by `at`.
    pub(crate) fn promise(&self, at: Instant) {
        let after = at.saturating_duration_since(self.started);
        let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.promised_millis.store(millis, Ordering::Relaxed);
    }

    /// Whether the engine has kept its promise so far.
    pub(crate) fn is_live(&self, now: Instant) -> bool {
        let promised = Duration::from_millis(self.promised_millis.load(Ordering::Relaxed));
        now.saturating_duration_since(self.started) <= promised
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_misses_its_promise_is_not_live() {
        let now = Instant::now();
        let shared = Shared::new(Status::default(), now);
        shared.promise(now + Duration::from_secs(10));
        assert!(shared.is_live(now + Duration::from_secs(10)));
        assert!(!shared.is_live(now + Duration::from_secs(11)));
    }
}
