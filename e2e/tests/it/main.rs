//! Journeys on the real node, four at once but for those that need it alone (`make test-e2e`).
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "test code says what it saw"
)]

mod deletion;
mod faults;
mod first_run;
mod load;
mod node;
mod own_cluster;
mod rotation;
mod scaling;
mod settings;
mod upgrade;
