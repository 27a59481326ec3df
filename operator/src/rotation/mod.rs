//! The rotation of secrets as a state machine.
//!
//! Owns [`decide`]: from the document's kids and dates, the pods' acknowledgements, what the status
//! remembers, the triggers and the time it gives one write, the Jobs that should run, one wait with its reason, or
//! nothing. It does no I/O, reads no clock and never sees a value (I-04).
//!
//! ```text
//! Stable ─Begin─▶ Stage ─every pod accepts─▶ Promote ─every pod uses it─▶ grace ─Retire─▶ Stable
//!                   └─ NACK or deadline ─▶ Abort ─▶ Stable
//! ```
//! Where two database roles or two Redis users take turns, the next URL is prepared before Stage: it
//! waits in the document until a Job has given its login the password; and before Retire another Job
//! takes the old one away. Redis, which a spec may have or not, joins the document and leaves it.
//!
//! What is meant to happen is written to the status before the document changes, and how far it came
//! is read from the document, so that a crash between any two writes loses nothing (I-10). A version
//! is removed only when every pod that can serve uses its successor (I-03).

mod active;
mod begin;
mod decide;
mod errand;
mod errand_view;
pub mod log;
mod logins;
mod quorum;
mod record;
mod redis;
mod retire;
mod revoke;
mod situation;
mod status;
mod trigger;
mod view;

pub use active::{ACCEPTANCE, HASTE};
pub use decide::{Decision, Note, Wait, decide};
pub use errand::{Errand, ErrandError, Task};
pub use errand_view::{ErrandState, ErrandView};
pub use logins::{LoginKey, Logins};
pub use quorum::{Missing, PodView, Quorum};
pub use record::{Active, Finished, KeyRecord, Outcome, Record, Removed, Step, Turn};
pub use situation::{Edit, Policy, Redis, Situation, Triggers, Write};
pub use trigger::{Request, RequestError, Revocation};
pub use view::{DocumentView, KeyView, VersionView};
