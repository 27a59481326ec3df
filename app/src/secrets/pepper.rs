//! How many password hashes each pepper holds.
//!
//! Owns [`count`]. While the set has more than one pepper, the old one may go only when no hash needs
//! it: each sign-in moves one hash to the current pepper, and this counts what is left.

use std::time::{Duration, Instant};

use erpgo_secret_set::{PepperHashes, SecretSet};
use tokio_util::sync::CancellationToken;

use super::{Acks, Keyring};
use crate::db::Database;
use crate::error::Result;
use crate::users;

/// The least time between two counts.
const EVERY: Duration = Duration::from_secs(2);
/// The longest time between two counts.
const LONGEST: Duration = Duration::from_secs(300);
/// A count that takes long is made seldom: it keeps the database busy for a hundredth of the time.
const SHARE: u32 = 100;

/// Counts until `stop`.
pub async fn count(keyring: Keyring, database: Database, acks: Acks, stop: CancellationToken) {
    let mut changes = keyring.changes();
    loop {
        changes.mark_unchanged();
        let set = keyring.current();
        let is_rotating = set.keys.pepper.versions().count() > 1;
        let mut wait = EVERY;
        if !is_rotating {
            acks.counted(Vec::new());
        } else if let Ok((hashes, took)) = look(&set, &database).await {
            acks.counted(hashes);
            wait = (took * SHARE).clamp(EVERY, LONGEST);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait), if is_rotating => {}
        }
    }
}

/// The count of each pepper of `set`, and how long the database took for it.
async fn look(set: &SecretSet, database: &Database) -> Result<(Vec<PepperHashes>, Duration)> {
    let mut connection = database.acquire_in_turn().await?;
    let begun = Instant::now();
    let found = users::hashes::count_by_pepper(&mut connection).await?;
    let took = begun.elapsed();
    let of = |kid: &str| found.iter().find(|(found, _)| found == kid);
    let versions = set.keys.pepper.versions();
    let hashes = versions.map(|(_, version)| PepperHashes {
        kid: version.kid.clone(),
        count: of(version.kid.as_str()).map_or(0, |(_, count)| count.unsigned_abs()),
    });
    Ok((hashes.collect(), took))
}
