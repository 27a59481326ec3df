//! The end of the process, step by step.
//!
//! Owns [`Lifecycle`], which readiness and the layers ask, and [`Hooks`]: by priority, each with a
//! deadline, each logged (R9.5). A hook that overruns is left behind; the next one runs all the same.

mod hooks;
mod signal;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

pub use hooks::Hooks;
pub use signal::wait_for_signal;

/// What the process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not ready yet.
    Starting = 0,
    /// Serving.
    Serving = 1,
    /// Finishing what is in flight.
    Draining = 2,
}

/// Shared word on what the process is doing.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle(Arc<AtomicU8>);

impl Lifecycle {
    /// What the process is doing now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Serving,
            _ => Phase::Draining,
        }
    }

    /// Goes on to `phase`; there is no way back.
    pub fn advance(&self, phase: Phase) {
        self.0.fetch_max(phase as u8, Ordering::AcqRel);
    }
}
