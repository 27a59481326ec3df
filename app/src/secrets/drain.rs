//! What was in use before, until nothing holds it.
//!
//! Owns the end of an old pool and of an old way to Redis. Idle connections go at once and each other
//! one when its request gives it back; none is cut. So at any time there are at most as many old
//! connections as requests held at the turn, and the sum of both pools is back under the ceiling
//! when the last of those has been answered, which the request timeout bounds.

use std::sync::Weak;
use std::time::Duration;

use erpgo_secret_set::AcceptedKid;
use redis::aio::MultiplexedConnection;

use super::Acks;
use crate::db::Retired;

/// How often it is said that an old pool still serves.
const REMIND: Duration = Duration::from_secs(60);
/// Between two looks at whether an old way to Redis is held: its commands have 150 ms.
const LOOK: Duration = Duration::from_millis(20);

/// Tells of `version` until `end` has come.
pub(super) fn begin(
    acks: Acks,
    version: Option<AcceptedKid>,
    end: impl Future<Output = ()> + Send + 'static,
) {
    let Some(version) = version else {
        return;
    };
    acks.drains(version.clone());
    tokio::spawn(async move {
        tokio::pin!(end);
        while tokio::time::timeout(REMIND, &mut end).await.is_err() {
            tracing::warn!(kid = %version.kid, "requests still hold what was in use before");
        }
        acks.drained(&version);
        tracing::info!(kid = %version.kid, "nothing holds what was in use before");
    });
}

/// Ends when the last connection of `retired` is back, the one that listens among them.
pub(super) async fn pool(retired: Retired) {
    if let Some(ear) = retired.ear {
        ear.close().await;
    }
    let old = retired.pool;
    // `close` keeps idle connections until the last busy one is back; these need not wait for it.
    for _ in 0..old.options().get_max_connections() {
        let Some(idle) = old.try_acquire() else {
            break;
        };
        // What does not close in good order ends with its socket.
        let _ = idle.close().await;
    }
    old.close().await;
}

/// Ends when no command runs on `old` any more.
pub(super) async fn link(old: Weak<MultiplexedConnection>) {
    while old.strong_count() > 0 {
        tokio::time::sleep(LOOK).await;
    }
}
