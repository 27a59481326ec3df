//! Schema migrations.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the migration Job behaves. It runs before any pod of a new image serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Migrations {
    /// Allows migrations that take data away: those marked as destructive, and statements that drop,
    /// delete or truncate. Default false: the Job then stops before the first migration and the
    /// condition `MigrationsApplied` names the statement. A change begins the Job anew while the
    /// image's migrations have not succeeded.
    pub allow_destructive: bool,
    /// Seconds that a migration waits for a lock before it gives up and is tried again, 1 to 300.
    /// Default 5; while it waits, queries behind it wait too. A change counts for the next Job.
    #[schemars(range(min = 1, max = 300))]
    pub lock_timeout_seconds: i32,
    /// Seconds after which the Job is stopped, 30 to 86400. Default 3600. A change counts for the next
    /// Job.
    #[schemars(range(min = 30, max = 86400))]
    pub deadline_seconds: i32,
    /// Retries after a temporary failure, 0 to 20. Default 5. An SQL error is never retried. A change
    /// counts for the next Job.
    #[schemars(range(min = 0, max = 20))]
    pub retries: i32,
}

impl Default for Migrations {
    fn default() -> Self {
        Self {
            allow_destructive: false,
            lock_timeout_seconds: 5,
            deadline_seconds: 3600,
            retries: 5,
        }
    }
}
