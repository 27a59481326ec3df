//! The set in use, behind one atomic pointer.
//!
//! Owns [`Keyring`]. A request that took a set keeps it to its end: it never sees half of a rotation.

use std::sync::Arc;

use arc_swap::ArcSwap;
use erpgo_secret_set::SecretSet;
use tokio::sync::watch;

use crate::metrics::METRICS;

/// The set in use.
#[derive(Clone)]
pub struct Keyring {
    current: Arc<ArcSwap<SecretSet>>,
    changes: watch::Sender<u64>,
}

impl Keyring {
    /// Begins with `set`.
    #[must_use]
    pub fn new(set: SecretSet) -> Self {
        publish(&set);
        Self {
            changes: watch::Sender::new(set.generation.0),
            current: Arc::new(ArcSwap::from_pointee(set)),
        }
    }

    /// The set in use now.
    #[must_use]
    pub fn current(&self) -> Arc<SecretSet> {
        self.current.load_full()
    }

    /// Puts `set` in use.
    pub fn replace(&self, set: SecretSet) {
        publish(&set);
        let generation = set.generation.0;
        self.current.store(Arc::new(set));
        self.changes.send_replace(generation);
    }

    /// Wakes after each [`Self::replace`].
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

fn publish(set: &SecretSet) {
    let generation = i64::try_from(set.generation.0).unwrap_or(i64::MAX);
    METRICS.secret_generation.set(generation);
}
