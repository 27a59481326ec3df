//! The two servers: control for the operator, ack for the app.
//!
//! Owns how a request is met ([`listen`]), who may ask ([`guard`]) and what is answered. Answers
//! carry numbers, kids and classes, never a value (I-04).

mod ack;
mod answer;
mod control;
mod generation;
mod guard;
mod listen;

pub(crate) use ack::ack;
pub(crate) use control::control;
