//! From a set that was read to the set in use.
//!
//! Owns [`adopt`]: proves what is new, then puts pool, Redis and keys in use without a wait between
//! them, and lets what was in use before drain behind the requests that still hold it.

use std::sync::Arc;

use erpgo_secret_set::{AcceptedKid, Ack, KeyName, SecretSet, Verdict};

use super::drain;
use super::prove::{Known, Proven, prove};
use super::watch::Watched;

/// What became of a set, and what the sidecar is told of it.
#[derive(Debug)]
pub(super) enum Adopted {
    /// It is in use.
    InUse(Ack),
    /// Its credentials do not do yet: the same set may in a second. With what the log is told.
    NotYet(Ack, Vec<String>),
}

/// Puts `set` in use, or says why not; `proved` is the set that came through last.
pub(super) async fn adopt(set: SecretSet, parts: &Watched, proved: Option<&SecretSet>) -> Adopted {
    let generation = set.generation;
    let before = parts.keyring.current();
    let known = Known {
        in_use: &before,
        proved,
    };
    match prove(&set, &known, parts).await {
        Ok(proven) => {
            let ack = set.ack();
            turn(proven, &before, parts);
            parts.keyring.replace(set);
            tracing::info!(generation = generation.0, "the secret set is in use");
            Adopted::InUse(ack)
        }
        Err(faults) => {
            let (reasons, details) = faults
                .into_iter()
                .map(|fault| (fault.reason, fault.detail))
                .unzip();
            let verdict = Verdict::Nack { reasons };
            Adopted::NotYet(
                Ack {
                    generation,
                    verdict,
                },
                details,
            )
        }
    }
}

/// Puts what was opened in use; whoever asks from here on gets the new one.
fn turn(proven: Proven, before: &Arc<SecretSet>, parts: &Watched) {
    if let Some(pool) = proven.pool {
        let old = parts.database.replace(pool);
        let version = in_use(before, KeyName::Database);
        drain::begin(parts.acks.clone(), version, drain::pool(old));
    }
    if let Some(link) = proven.link
        && let Some(old) = parts.redis.hand_over(link)
    {
        let version = in_use(before, KeyName::Redis);
        drain::begin(parts.acks.clone(), version, drain::link(old));
    }
}

fn in_use(set: &SecretSet, key: KeyName) -> Option<AcceptedKid> {
    let kid = set.keys.get(key)?.current.kid.clone();
    Some(AcceptedKid { key, kid })
}
