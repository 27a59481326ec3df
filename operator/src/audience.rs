//! Who is told of a new generation, and how long they are waited for.
//!
//! Owns [`Audience`]: plain data. Telling them is [`crate::acks`]' business.

use std::net::IpAddr;
use std::time::Duration;

/// Pods that are told of a new generation at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    /// Those that have answered a moment ago.
    pub heard: Vec<IpAddr>,
    /// Those that have not: they are told too, and waited for only while the others are.
    pub silent: Vec<IpAddr>,
    /// How long each has to take it up.
    pub patience: Duration,
}
