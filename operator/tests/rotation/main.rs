//! The rotation in a small world of its own: pods are born and die, acknowledge late, never or with a
//! refusal; operators crash between any two writes, read what is stale, and are two at once.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod crashes;
mod model;
mod paused;
mod redis;
mod server;
mod skew;
mod told;
mod turns;
mod world;
