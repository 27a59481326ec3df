//! Turns an `ErpGo` into a running ERP API.
//!
//! ```text
//!             reads only          pure, no clock, no client             writes only
//!  ErpGo ──▶ observe ──Observed──▶ plan ───────────────Plan──▶ effects, apply, prune ──▶ publish
//!              │                    ├ validate  spec ──▶ ValidErpGo | Vec<Invalid>          │
//!              │                    ├ phase     what may happen now, what it waits on       │
//!              │                    ├ build     one file per owned object ──▶ Desired       │
//!              │                    └ check     invariants of Desired ──▶ Vec<Note>         │
//!              └────────────────────── status  (Plan, Observed) ──▶ conditions, events ─────┘
//! ```
//!
//! Waiting is a value with a cause and a way out, never an error. Values of secrets live in
//! [`secrets`] alone, for the length of a call.

pub mod acks;
pub mod audience;
pub mod cli;
pub mod complaints;
mod pod_port;
pub mod reconcile;
pub mod rotation;
pub mod runtime;
pub mod secrets;
