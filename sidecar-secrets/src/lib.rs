//! The secrets sidecar: keeps one generation of the secret set on a tmpfs and tells who accepted it.
//!
//! Owns the path from a backend to the files and the path back from the app's acknowledgement to
//! the operator. It never writes to a backend, never restarts the app, and no secret value leaves it
//! except through `sink` (I-04). One thread; every body, wait, queue and retry is bounded (I-12).
//!
//! ```text
//! backend ──read──▶ accept (parse, validate, compare) ──▶ sink ──flip──▶ tmpfs ──▶ app
//!    ▲                                                                         │
//! schedule ◀──nudge── control server ◀──wait── status ◀── ack server ◀──ack────┘
//! ```

mod accept;
mod backend;
pub mod cli;
mod config;
mod counters;
mod engine;
#[cfg(test)]
mod fleet;
mod http;
mod log;
mod random;
mod run;
mod schedule;
mod server;
mod shared;
mod sink;
mod status;
