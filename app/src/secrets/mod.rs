//! The secret set of this process.
//!
//! Owns the way from the tmpfs (or, for development, the environment) to [`Keyring`], and the
//! acknowledgement to the sidecar. A set that does not hold up is refused whole: the one before it
//! stays in use and the sidecar is told why, without values (I-03, I-04).

mod ack;
mod adopt;
mod drain;
#[cfg(test)]
pub(crate) mod example;
mod keyring;
pub mod pepper;
mod prove;
mod source;
mod watch;

pub use ack::Acks;
pub use keyring::Keyring;
pub use source::{Source, SourceError};
pub use watch::{Watched, watch};
