//! How a rotation ended, in what must be the same whenever the operator died.

use anyhow::{Context as _, Result, ensure};
use erpgo_operator::rotation::log::{Entry, verify};
use erpgo_operator::secrets::login;
use erpgo_secret_set::{Document, KeyName, Kid, Slot};

/// The document and the counts of what was written for it. Kids and values are drawn anew each time and
/// are not in it.
#[derive(Debug, PartialEq, Eq)]
pub struct End {
    /// Generations since the beginning.
    pub generations: usize,
    /// Every version, and by which of these generations it was drawn; none for one of before.
    pub versions: Vec<(KeyName, Slot, Option<u64>)>,
    /// What is drawn and known to no pod.
    pub prepared: Vec<KeyName>,
    /// Whether pods log in to the database as the other role.
    pub is_other_role: bool,
    /// Whether they log in to Redis as the other user.
    pub is_other_user: bool,
    /// Writes of the document.
    pub of_document: usize,
    /// Jobs that were made.
    pub of_jobs: usize,
    /// Secrets that were made for them.
    pub of_verifiers: usize,
}

impl End {
    /// From the document before and after, and what was written in between.
    pub fn of(before: &Document, after: &Document, writes: &[String]) -> Self {
        let begun = before.generation.0;
        let times = |write: &str| writes.iter().filter(|made| made.as_str() == write).count();
        let role = |document: &Document| login::user(&document.keys.database.current.value);
        let user = |document: &Document| {
            let redis = document.keys.redis.as_ref()?;
            login::user(&redis.current.value)
        };
        let versions = after.keys.versions();
        let versions = versions
            .map(|(key, slot, version)| (key, slot, drawn(key, &version.kid, begun)))
            .collect();
        Self {
            generations: usize::try_from(after.generation.0 - begun).unwrap(),
            versions,
            prepared: after.prepared.keys().copied().collect(),
            is_other_role: role(before) != role(after),
            is_other_user: user(before) != user(after),
            of_document: times("PATCH secrets/shop-secret-set"),
            of_jobs: times("POST jobs"),
            of_verifiers: times("POST secrets"),
        }
    }
}

// A kid is `KEY-GENERATION-TIME`.
fn drawn(key: KeyName, kid: &Kid, begun: u64) -> Option<u64> {
    let rest = kid.as_str().strip_prefix(key.as_str())?;
    let (generation, _) = rest.strip_prefix('-')?.split_once('-')?;
    let generation: u64 = generation.parse().ok()?;
    generation.checked_sub(begun)
}

/// The log's chain is whole, and it tells once that the rotation `id` switched, that each version of
/// `before` went and is refused, and of each login that it got its password or lost it.
pub fn is_told_once(log: &[Entry], id: &str, before: &Document, after: &Document) -> Result<()> {
    verify(log)?;
    let times = |reason: &str, subject: &str| {
        let is = |entry: &&Entry| entry.reason == reason && entry.subject == subject;
        log.iter().filter(is).count()
    };
    let mut told = vec![("RotationSwitched", id)];
    for (_, _, version) in before.keys.versions() {
        let kid = version.kid.as_str();
        told.extend([("SecretVersionRemoved", kid), ("SecretVersionRefused", kid)]);
    }
    for (document, database, redis) in [
        (after, "DatabasePasswordSet", "RedisPasswordSet"),
        (before, "DatabasePasswordCleared", "RedisPasswordCleared"),
    ] {
        for (reason, key) in [(database, KeyName::Database), (redis, KeyName::Redis)] {
            let login = document.keys.get(key).context("no URL")?;
            told.push((reason, login.current.kid.as_str()));
        }
    }
    for (reason, subject) in told {
        let times = times(reason, subject);
        ensure!(times == 1, "{reason} {subject}: {times} times in {log:#?}");
    }
    Ok(())
}
