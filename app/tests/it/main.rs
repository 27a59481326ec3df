//! The app against real PostgreSQL and Redis, one module a noun.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::too_many_lines,
    missing_docs,
    reason = "test code"
)]

mod acceptance;
mod api_keys;
mod audit;
mod auth;
mod bad_input;
mod bootstrap;
mod browser;
mod codes;
mod commands;
mod config;
mod conform;
mod cors;
mod dashboards;
mod database;
mod dependencies;
mod errors;
mod followed;
mod gather;
mod health;
mod limits;
mod locks;
mod log;
mod mail;
mod matrix;
mod migrate;
mod openapi;
mod outgoing;
mod owasp;
mod privacy;
mod products;
mod program;
mod queries;
mod redis_tries;
mod repeats;
mod roles;
mod rotation;
mod runtime;
mod schemathesis;
mod second_factor;
mod secrecy;
mod secrets;
mod serve;
mod sessions;
mod shutdown;
mod spans;
mod sql;
mod traces;
mod tx;
mod users;
mod validation;
mod versions;
mod walkthrough;
mod world;
