//! Signing in and out.

mod clocks;
mod contended;
mod enumeration;
mod flow;
mod forgeries;
mod forgery;
mod limits;
mod overtaken;
mod partition;
mod pepper;
mod refresh;
mod revocation;
mod sweep;
mod tries;
mod unlock;
