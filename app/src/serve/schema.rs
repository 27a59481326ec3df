//! Whether the database is at this program's schema.
//!
//! Owns the wait: a database that is away is asked again, one that lacks migrations ends the process
//! (R19.3), since only `migrate` may change it.

use std::time::Duration;

use crate::cli::{Exit, list_faults};
use crate::db::Database;
use crate::error::Error;
use crate::migrate;

const AGAIN: Duration = Duration::from_secs(1);

pub(super) async fn wait_until_complete(database: &Database) -> Exit {
    loop {
        match migrate::pending(&database.pool()).await {
            Ok(pending) if pending.is_empty() => return Exit::Ok,
            Ok(pending) => {
                tracing::error!(?pending, "migrations are pending; run erpgo migrate first");
                list_faults("migrations are pending; run erpgo migrate first", &pending);
                return Exit::Schema;
            }
            Err(error @ Error::Unavailable { .. }) => {
                tracing::warn!(error = %erpgo_telemetry::chain(&error), "waiting for the database");
                tokio::time::sleep(AGAIN).await;
            }
            Err(error) => {
                tracing::error!(error = %erpgo_telemetry::chain(&error), "the schema cannot be checked");
                return Exit::Schema;
            }
        }
    }
}
