//! How often the operator reads the document while nothing changes.
//!
//! Owns the two times, which the operator keeps and by which the model of a fleet counts what a backend is
//! asked and what AWS takes for it.

use std::time::Duration;

/// From one look of the operator at the document of an `ErpGo` that serves to the next.
pub const OPERATOR_LOOKS_EVERY: Duration = Duration::from_secs(20);
/// From one reconcile at rest, which reads the document too, to the next.
pub const OPERATOR_RECONCILES_EVERY: Duration = Duration::from_secs(300);
