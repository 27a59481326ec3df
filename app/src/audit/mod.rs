//! The audit log: what happened, to whom, by whom, and the proof that nobody has rewritten it.
//!
//! ```text
//! record (in the effect's transaction) ─▶ audit_events + audit_pending ─▶ seal (one at a time) ─▶ audit_chain
//!                                                                                        verify ◀┘
//! ```
//!
//! Owns the tables `audit_*`. Nothing here changes or deletes an event; old months end as whole
//! partitions. Personal data is sealed under the person's key ([`crate::subjects`]), so that an erasure
//! takes the key and leaves every proof standing.

mod action;
pub mod chain;
mod event;
mod export;
pub mod keep;
mod list;
mod query;
pub(crate) mod read;
mod record;
pub mod seal;
mod store;
pub mod verify;
pub(crate) mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

pub use action::{Action, Outcome};
pub use event::{Event, Personal};
pub(crate) use query::Filter;
pub(crate) use record::{noted, record_together};
pub use record::{record, record_alone};

crate::permissions! {
    /// Search and export the audit log.
    AuditRead = "audit.read";
}

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list_events))
        .routes(routes!(export::export_events))
}
