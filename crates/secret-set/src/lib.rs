//! The secret set: the one contract that operator, sidecar and app share.
//!
//! Owns the document in the backend, the files on the tmpfs, the manifest beside them and the
//! acknowledgement that a pod gives. It does no I/O, reads no clock and asks no backend; a value
//! leaves a [`Secret`] only through [`Secret::expose_secret`], and no core dump of a process that called
//! [`leave_no_dump`] holds one (invariant I-04).
//!
//! ```text
//! backend document ──Document::parse──▶ Document ──render──▶ RenderedSet ──(sidecar writes files)
//!        app: manifest.json + files ──load──▶ SecretSet ──▶ Ack ──(sidecar)──▶ PodState ──(operator)
//! ```

mod ack;
mod class;
mod document;
mod dump;
mod entropy;
mod generate;
mod ids;
mod load;
mod looks;
mod manifest;
mod manners;
mod render;
mod rotate;
mod secret;
mod standby;
mod validate;

pub use ack::{AcceptedKid, Ack, BackendState, PepperHashes, PodState, Verdict};
pub use class::{ErrorClass, ToldClass};
pub use document::{Document, DocumentError, Keys, RotatingKey, Version};
pub use dump::leave_no_dump;
pub use entropy::estimated_bits;
pub use generate::{DatabaseUrl, RedisUrl, first_generation, first_kid};
pub use ids::{Generation, IdError, KeyName, Kid, Slot};
pub use load::{LoadError, SecretSet, load};
pub use looks::{OPERATOR_LOOKS_EVERY, OPERATOR_RECONCILES_EVERY};
pub use manifest::{Manifest, ManifestEntry};
pub use manners::{MAX_RETRY_AFTER, Relogin, retry_after};
pub use render::{MANIFEST_FILE, RenderedSet, file_name, render};
pub use rotate::{NewValue, abort, join, leave, prepare, promote, retire, revoke, stage};
pub use secret::Secret;
pub use standby::knows_no_active;
pub use validate::{Fault, MIN_KEY_BITS, MIN_KEY_BYTES, MIN_PEPPER_BYTES, is_valid, validate};
