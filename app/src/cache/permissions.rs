//! A user's permissions, for five minutes (R7.1, P11).
//!
//! Owns the key: it holds the user's epoch, which grows with every change, so that what is read is
//! never older than the change that the reader already knows of.

use redis::Pipeline;
use redis::aio::MultiplexedConnection;

use super::Redis;
use crate::metrics::METRICS;
use crate::roles::permission::PermissionSet;
use crate::users::UserId;

const SECONDS: u64 = 300;
/// Entries that are put in at once: what one call can carry in its time.
const PART: usize = 50;

/// What a user may do as of an epoch.
pub(crate) struct Entry {
    pub(crate) user: UserId,
    pub(crate) epoch: i64,
    pub(crate) permissions: PermissionSet,
}

fn key(user: UserId, epoch: i64) -> String {
    format!("permissions:{user}:{epoch}")
}

impl Redis {
    /// The permissions kept for this user and epoch.
    pub async fn permissions(&self, user: UserId, epoch: i64) -> Option<PermissionSet> {
        let command = redis::cmd("GET").arg(self.key(&key(user, epoch))).take();
        let text: Option<String> = self.run("get", command).await?;
        let found = text.and_then(|text| serde_json::from_str(&text).ok());
        let result = if found.is_some() { "hit" } else { "miss" };
        METRICS
            .cache_operations
            .with_label_values(&["get", result])
            .inc();
        found
    }

    /// Keeps the permissions of this user and epoch.
    pub async fn keep_permissions(&self, user: UserId, epoch: i64, permissions: &PermissionSet) {
        let Ok(text) = serde_json::to_string(permissions) else {
            return;
        };
        let key = self.key(&key(user, epoch));
        let kept = self
            // Once: what is not kept costs a query, and trying again would cost this request.
            .run_once("set", |mut connection| async move {
                redis::cmd("SET")
                    .arg(key)
                    .arg(text)
                    .arg("EX")
                    .arg(SECONDS)
                    .query_async::<()>(&mut connection)
                    .await
            })
            .await;
        if kept.is_some() {
            METRICS
                .cache_operations
                .with_label_values(&["set", "ok"])
                .inc();
        }
    }

    /// Keeps those of `entries` that are not there yet, and says how many these were. Those that are there end when
    /// they would have ended.
    pub(crate) async fn add_permissions(&self, entries: &[Entry]) -> u64 {
        let mut added = 0;
        for part in entries.chunks(PART) {
            let commands = self.additions(part);
            let work = |mut connection: MultiplexedConnection| async move {
                commands.query_async(&mut connection).await
            };
            // Once: what is missing costs whoever asks a query, and nothing more.
            let answers: Option<Vec<Option<String>>> = self.run_once("warm", work).await;
            let Some(answers) = answers else { break };
            added += answers.iter().flatten().count() as u64;
        }
        METRICS
            .cache_operations
            .with_label_values(&["warm", "ok"])
            .inc_by(added);
        added
    }

    fn additions(&self, entries: &[Entry]) -> Pipeline {
        let mut commands = redis::pipe();
        for entry in entries {
            let Ok(text) = serde_json::to_string(&entry.permissions) else {
                continue;
            };
            commands
                .cmd("SET")
                .arg(self.key(&key(entry.user, entry.epoch)))
                .arg(text)
                .arg("EX")
                .arg(SECONDS)
                .arg("NX");
        }
        commands
    }
}
