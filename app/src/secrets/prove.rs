//! Whether the credentials of a set do what they are for.
//!
//! Owns [`prove`]. A version that is staged is tried with one connection before anybody is told that
//! it is accepted: a promotion that every pod has acknowledged can then not fail for a wrong password
//! (I-03), nor lead to a database without the schema (I-01). What was proved once, or is in use, is not
//! tried again, so that a database that is away does not hold up the rotation of another key.

use erpgo_secret_set::{KeyName, RotatingKey, Secret, SecretSet, Slot};
use sqlx::PgPool;

use super::watch::Watched;
use crate::cache::{Link, Redis};
use crate::config::DatabaseSettings;
use crate::db;

/// What was opened on the way and goes into use with the set.
pub(super) struct Proven {
    /// On the current credentials, if they are others than those in use.
    pub(super) pool: Option<PgPool>,
    /// To the current Redis, if it is another than the one in use.
    pub(super) link: Option<Link>,
}

/// The sets whose credentials need no proof.
pub(super) struct Known<'a> {
    /// The one in use; its current versions work, or nobody can work at all.
    pub(super) in_use: &'a SecretSet,
    /// The one that was proved last.
    pub(super) proved: Option<&'a SecretSet>,
}

impl Known<'_> {
    fn is_current(&self, key: KeyName, value: &Secret) -> bool {
        self.in_use
            .keys
            .get(key)
            .is_some_and(|known| same(&known.current.value, value))
    }

    fn holds(&self, key: KeyName, value: &Secret) -> bool {
        let proved = self.proved.and_then(|set| set.keys.get(key));
        let mut versions = proved.into_iter().flat_map(RotatingKey::versions);
        self.is_current(key, value) || versions.any(|(_, known)| same(&known.value, value))
    }
}

/// A version that does not do.
#[derive(Debug)]
pub(super) struct Unproved {
    /// One sentence for the sidecar and the operator, free of values, hosts and roles (I-04).
    pub(super) reason: String,
    /// The whole chain, for the log of this pod.
    pub(super) detail: String,
}

/// Tries what is new in `set`.
///
/// # Errors
/// Each version that does not do.
pub(super) async fn prove(
    set: &SecretSet,
    known: &Known<'_>,
    parts: &Watched,
) -> Result<Proven, Vec<Unproved>> {
    let mut faults = Vec::new();
    let pool = database(set, known, &parts.settings, &mut faults).await;
    let link = redis(set, known, &parts.redis, &mut faults).await;
    if faults.is_empty() {
        return Ok(Proven { pool, link });
    }
    if let Some(pool) = pool {
        pool.close().await;
    }
    Err(faults)
}

async fn database(
    set: &SecretSet,
    known: &Known<'_>,
    settings: &DatabaseSettings,
    faults: &mut Vec<Unproved>,
) -> Option<PgPool> {
    let key = KeyName::Database;
    if let Some(next) = &set.keys.database.next
        && !known.holds(key, &next.value)
        && let Err(error) = db::prove(&next.value, settings).await
    {
        faults.push(fault(key, Slot::Next, &error));
    }
    let current = &set.keys.database.current.value;
    if known.is_current(key, current) {
        return None;
    }
    match db::connect(current, settings).await {
        Ok(pool) => Some(pool),
        Err(error) => {
            faults.push(fault(key, Slot::Current, &error));
            None
        }
    }
}

async fn redis(
    set: &SecretSet,
    known: &Known<'_>,
    redis: &Redis,
    faults: &mut Vec<Unproved>,
) -> Option<Link> {
    let (key, versions) = (KeyName::Redis, set.keys.redis.as_ref()?);
    if let Some(next) = &versions.next
        && !known.holds(key, &next.value)
        && let Err(error) = redis.open(&next.value).await
    {
        faults.push(fault(key, Slot::Next, &error));
    }
    let current = &versions.current.value;
    if known.is_current(key, current) {
        return None;
    }
    match redis.open(current).await {
        Ok(link) => Some(link),
        Err(error) => {
            faults.push(fault(key, Slot::Current, &error));
            None
        }
    }
}

fn fault(key: KeyName, slot: Slot, error: &dyn std::error::Error) -> Unproved {
    Unproved {
        reason: format!("{key} ({slot}): {error}"),
        detail: format!("{key} ({slot}): {}", erpgo_telemetry::chain(error)),
    }
}

fn same(one: &Secret, other: &Secret) -> bool {
    one.ct_eq(other.expose_secret().as_bytes())
}
