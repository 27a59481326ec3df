//! Signing in and out.

mod cached;
mod clocks;
mod contended;
mod counted;
mod enumeration;
mod flow;
mod forgeries;
mod forgery;
mod hung_up;
mod limits;
mod overtaken;
mod partition;
mod pepper;
mod refresh;
pub mod revocation;
mod sweep;
mod told;
mod tries;
mod unlock;
mod warm;
