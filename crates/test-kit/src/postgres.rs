//! PostgreSQL: a shared server with a fresh database per test, or a server of one's own.
//!
//! The shared server runs without fsync and is never to be stopped by a test: a test that stops,
//! kills or freezes PostgreSQL asks for a [`server`] of its own.

mod cluster;
mod database;
mod install;
mod private;
mod shared;
mod sql;
mod template;

pub use database::TestDatabase;
pub use private::{PostgresServer, durable_server, server};

pub(crate) use shared::{down, status, up};

/// Creates an empty database on the shared server.
pub async fn database() -> TestDatabase {
    crate::fail::unless(database::create(None).await)
}
