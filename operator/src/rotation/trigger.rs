//! What asks for a rotation: annotations and age.
//!
//! Owns the annotations' grammar and the schedule with its jitter, which is the same for one key each
//! time it is computed and different from one object to the next.

use std::time::Duration;

use erpgo_secret_set::{KeyName, Kid};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::logins::LoginKey;
use super::situation::Policy;

/// Longest reason that is kept, in characters.
const MAX_REASON: usize = 200;

/// A rotation that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which keys.
    pub keys: Vec<KeyName>,
    /// Why.
    pub reason: String,
}

/// A version that somebody wants gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Which key.
    pub key: KeyName,
    /// Which version.
    pub kid: Kid,
}

/// Why an annotation was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not a key.
    #[error("{0:?} is no key: write jwt, refresh, pepper, database or redis")]
    Key(String),
    /// Not `KEY/KID`.
    #[error("write KEY/KID, for example jwt/jwt-1; the kids are in status.rotation.keys")]
    Form,
}

impl Request {
    /// Reads `KEY[,KEY…][=REASON]`.
    ///
    /// # Errors
    /// When a key is none of the five.
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        let (names, reason) = text.split_once('=').unwrap_or((text, "asked for"));
        let mut keys = names.split(',').map(key).collect::<Result<Vec<_>, _>>()?;
        keys.sort_unstable();
        keys.dedup();
        let plain = reason.chars().filter(|c| !c.is_control());
        Ok(Self {
            keys,
            reason: plain.take(MAX_REASON).collect(),
        })
    }
}

impl Revocation {
    /// Reads `KEY/KID`.
    ///
    /// # Errors
    /// When it is not of this form.
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        let (name, kid) = text.trim().split_once('/').ok_or(RequestError::Form)?;
        Ok(Self {
            key: key(name)?,
            kid: Kid::try_from(kid.to_owned()).map_err(|_| RequestError::Form)?,
        })
    }
}

fn key(text: &str) -> Result<KeyName, RequestError> {
    let text = text.trim();
    let mut all = KeyName::ALL.into_iter();
    let found = all.find(|key| key.as_str() == text);
    found.ok_or_else(|| RequestError::Key(text.chars().take(40).collect()))
}

/// When the version of `key` that was made at `created_at` is due.
pub(super) fn due(policy: &Policy, key: KeyName, created_at: Timestamp) -> Timestamp {
    let spread = policy.interval.as_secs() / 10;
    let digest = Sha256::digest(format!("{}/{key}", policy.seed));
    let (head, _) = digest.split_at(8);
    let number = head
        .iter()
        .fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    // Earlier and never later, so that no key outlives the interval by the spread.
    let early = number.checked_rem(spread).unwrap_or(0);
    after(
        created_at,
        policy.interval.saturating_sub(Duration::from_secs(early)),
    )
}

/// Which of the keys that are `due` turn first. A login needs its server, and one server that refuses must
/// hold up no other key: so logins turn after the others and one at a time, what was `given_up` last.
pub(super) fn first(due: &[KeyName], given_up: &[KeyName]) -> Vec<KeyName> {
    let is_login = |key: &KeyName| LoginKey::of(*key).is_some();
    let (logins, others): (Vec<_>, Vec<_>) = due.iter().copied().partition(is_login);
    if !others.is_empty() {
        return others;
    }
    let fresh = logins.iter().find(|key| !given_up.contains(key));
    fresh.or(logins.first()).copied().into_iter().collect()
}

/// `at` and `wait` later, at most the end of time.
pub(super) fn after(at: Timestamp, wait: Duration) -> Timestamp {
    at.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn policy(interval: Duration, seed: String) -> Policy {
        Policy {
            paused: false,
            interval,
            jwt_grace: interval,
            refresh_grace: interval,
            scheduled: Vec::new(),
            seed,
        }
    }

    #[test]
    fn a_server_that_refuses_holds_up_no_other_key() {
        use KeyName::{Database, Jwt, Redis, Refresh};
        let all = [Jwt, Refresh, Database, Redis];
        assert_eq!(first(&all, &[]), [Jwt, Refresh]);
        assert_eq!(first(&all, &[Redis]), [Jwt, Refresh]);
        assert_eq!(first(&[Database, Redis], &[]), [Database]);
        assert_eq!(first(&[Database, Redis], &[Database]), [Redis]);
        assert_eq!(first(&[Database, Redis], &[Database, Redis]), [Database]);
        assert_eq!(first(&[Redis], &[Redis]), [Redis]);
        assert_eq!(first(&[], &[Redis]), []);
    }

    #[test]
    fn annotations_are_read_or_refused_with_a_way_out() {
        let request = Request::parse("refresh, jwt,jwt=laptop lost=yes").unwrap();
        assert_eq!(request.keys, [KeyName::Jwt, KeyName::Refresh]);
        assert_eq!(request.reason, "laptop lost=yes");
        assert_eq!(Request::parse("pepper").unwrap().reason, "asked for");
        assert!(Request::parse("jwt,").is_err());
        let revocation = Revocation::parse("jwt/jwt-5-ab").unwrap();
        assert_eq!(
            (revocation.key, revocation.kid.as_str()),
            (KeyName::Jwt, "jwt-5-ab")
        );
        for wrong in ["jwt", "jwt/", "jwt/A b", "key/jwt-1"] {
            assert!(Revocation::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn keys_of_a_hundred_objects_that_were_made_at_once_are_not_due_at_once() {
        let interval = Duration::from_secs(90 * 86_400);
        let at = |number: u32| {
            let policy = policy(interval, format!("5f0c6a52-{number}"));
            due(&policy, KeyName::Jwt, Timestamp::UNIX_EPOCH)
        };
        let instants: BTreeSet<Timestamp> = (0..100).map(at).collect();
        assert!(instants.len() > 90, "{} instants", instants.len());
        let (first, last) = (instants.first().unwrap(), instants.last().unwrap());
        // Half of the window, which is a tenth of the interval.
        let apart = last.duration_since(*first).unsigned_abs();
        assert!(apart > interval / 20, "they are {apart:?} apart");
    }

    proptest! {
        #[test]
        fn a_key_is_due_in_the_last_tenth_of_the_interval(seed in "[a-f0-9-]{0,36}", days in 1u64..400) {
            let interval = Duration::from_secs(days * 86_400);
            let policy = policy(interval, seed);
            let made = Timestamp::UNIX_EPOCH;
            let due = due(&policy, KeyName::Jwt, made);
            prop_assert!(due <= after(made, interval));
            prop_assert!(due >= after(made, interval * 9 / 10));
        }
    }
}
