//! The ERP REST API.
//!
//! ```text
//! main ─▶ cli ─▶ serve ─▶ router ─▶ layers ─▶ <noun>/<verb> ─▶ <noun>/store ─▶ PostgreSQL
//!                  │                              └▶ auth ─▶ sessions cache ─▶ PostgreSQL
//!                  ├▶ secrets: set on the tmpfs ─▶ keyring ─▶ pool, tokens, hashes ─▶ ack
//!                  └▶ shutdown: hooks by priority, each with a deadline
//! ```
//!
//! One folder a noun (`users`, `roles`, `auth`, `api_keys`, `sessions`, `passwords`,
//! `email`, `audit`, `privacy`, `products`): routes, JSON in and out, domain, SQL.
//! The layers that they share lie beside them.

pub mod api_keys;
mod attachment;
pub mod audit;
pub mod auth;
mod backoff;
mod breaker;
pub mod cache;
mod cipher;
pub mod cli;
pub mod config;
pub mod credentials;
pub mod db;
pub mod email;
pub mod error;
pub mod extract;
pub mod health;
pub mod layers;
pub mod limits;
pub mod mail;
pub mod metrics;
pub mod migrate;
pub mod openapi;
pub mod outgoing;
pub mod passwords;
pub mod privacy;
pub mod products;
pub mod random;
pub mod roles;
pub mod router;
pub mod second_factor;
mod secret_file;
pub mod secrets;
pub mod serve;
pub mod server;
pub mod sessions;
pub mod shutdown;
pub mod start;
pub mod state;
pub mod subjects;
mod text;
pub mod tx;
pub mod users;

/// What this build calls itself in `/health/live`, metrics and traces.
pub const VERSION: &str = if cfg!(feature = "e2e") {
    "2"
} else {
    env!("CARGO_PKG_VERSION")
};
