//! The process around the reconcile.
//!
//! Owns what `erpgo-operator run` does: install the log, check for the CRD, wait for the lease, run
//! the controller beside its endpoints, and end in order on SIGTERM or at once when the lease is lost.

pub mod config;
mod controller;
pub mod discovery;
pub mod health;
pub mod lease;
pub mod metrics;
pub mod permissions;
pub mod progress;
mod pulse;
mod run;
pub mod watches;

pub use config::RunArgs;
pub use run::{RunError, run};
