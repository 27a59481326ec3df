//! JSON logs, OTLP traces and error chains for operator and app.
//!
//! Owns how a process speaks of itself: one subscriber with a reloadable filter, one exporter, one
//! way to print an error with its sources. It decides nothing about what is logged, and nothing here
//! ever holds a secret (I-04).

mod chain;
mod ids;
mod line;
mod otlp;
mod parent;
mod subscriber;
mod unexported;

pub use chain::chain;
pub use parent::{TraceParent, adopt, current_parent, trace_id};
pub use subscriber::{
    Format, Options, Otlp, Telemetry, TelemetryError, build, check_filter, install,
};
