//! Limits of sign-ins and of requests.
//!
//! Owns [`LoginLimits`]: sign-ins that an address may try in a window (P9), and failures after which
//! an identifier is locked (P10). Redis counts for all processes, and each process for itself besides:
//! its own count goes on while Redis is away. An identifier is counted as it was typed, whether anybody
//! has it or not, so that the count tells nothing about who exists. [`RateLimits`] counts all other
//! requests.

mod batch;
mod class;
mod entries;
mod gcra;
mod memory;
mod rates;
mod shared;
mod subject;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::cache::Redis;
use crate::config::{LimitSettings, LiveSettings};
use crate::error::{Code, Error, Result};
use crate::metrics::METRICS;
use memory::Memory;

pub use class::Class;
pub use gcra::Quota;
pub use rates::{RateLimits, Standing};
pub use subject::Subject;

/// Counts sign-ins.
pub struct LoginLimits {
    redis: Redis,
    memory: Memory,
    live: Arc<ArcSwap<LiveSettings>>,
}

/// What was typed as e-mail, as a key: folded, and hashed so that no store holds it in clear.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identifier(String);

impl Identifier {
    /// The key of what was typed.
    #[must_use]
    pub fn of(typed: &str) -> Self {
        let folded = typed.trim().to_lowercase();
        Self(hex::encode(&Sha256::digest(folded.as_bytes())[..16]))
    }
}

/// One numbered attempt at an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Whether it may succeed.
    pub allowed: bool,
    /// Whether its failure locks the identifier.
    pub last: bool,
    /// When sign-in opens if the identifier is locked by now.
    pub unlock_at: Timestamp,
}

/// How an attempt is counted: its number in this window, and what is left of the window.
#[derive(Clone, Copy, Debug)]
struct Counted {
    number: u32,
    left: Duration,
}

impl LoginLimits {
    /// Limits that follow `live`.
    #[must_use]
    pub fn new(redis: Redis, live: Arc<ArcSwap<LiveSettings>>) -> Self {
        Self {
            redis,
            memory: Memory::default(),
            live,
        }
    }

    fn limits(&self) -> LimitSettings {
        self.live.load().limits.clone()
    }

    /// Counts a use of `what`, which anybody may use, from `address`; each has a share of its own. A refusal
    /// is logged with the name that was `tried`, if one was (R5.4).
    ///
    /// # Errors
    /// RATE_LIMIT_EXCEEDED when the address has had its share.
    pub async fn admit(
        &self,
        what: &'static str,
        address: IpAddr,
        tried: Option<&str>,
    ) -> Result<()> {
        let limits = self.limits();
        if limits.login_per_ip == 0 {
            return Ok(());
        }
        let key = format!("{what}:ip:{}", network(address));
        let wait = self.wait(&key, &limits).await;
        wait.map_or(Ok(()), |wait| Err(refused(what, address, tried, wait)))
    }

    /// How long to wait, if either count has had its share. This process counts whatever Redis says: when that
    /// misses its deadline once, the window must not begin anew.
    async fn wait(&self, key: &str, limits: &LimitSettings) -> Option<Duration> {
        if let Some(wait) = self.memory.admit(key, limits) {
            return Some(wait);
        }
        let wait = shared::admit(&self.redis, key, limits).await.flatten();
        if wait.is_some() {
            // Others have let in as many: what is refused takes nothing of this process's own share.
            self.memory.dismiss(key);
        }
        wait
    }

    /// Counts an attempt before it is made: parallel attempts cannot exceed the limit together.
    pub async fn attempt(&self, identifier: &Identifier) -> Attempt {
        let limits = self.limits();
        let key = identifier.key();
        // Counted here whatever Redis says: when it misses its deadline once, what this process has
        // refused must not be admitted.
        let own = self.memory.attempt(&key, &limits);
        let shared = shared::attempt(&self.redis, &key, &limits).await;
        let counted = shared.unwrap_or(own);
        let locked = counted.number > limits.lockout_failures;
        let opens = if locked {
            counted.left
        } else {
            limits.lockout_duration
        };
        Attempt {
            allowed: !locked,
            last: counted.number == limits.lockout_failures,
            unlock_at: Timestamp::now() + opens,
        }
    }

    /// Forgets the failures of an identifier: it has just signed in, or its lock is lifted. False when
    /// Redis, which counts for all, did not answer.
    pub async fn forgive(&self, identifier: &Identifier) -> bool {
        self.forget(identifier.hash());
        let forgotten = shared::forget(&self.redis, &identifier.key()).await;
        forgotten || !self.redis.is_configured()
    }

    /// Forgets what this process alone has counted.
    pub(crate) fn forget(&self, hash: &str) {
        self.memory.forget(&key(hash));
    }

    /// Takes back `attempt`, which was not made after all, or did not fail. One that a lock refused was never
    /// counted: it must not open the lock.
    pub async fn release(&self, identifier: &Identifier, attempt: Attempt) {
        if !attempt.allowed {
            return;
        }
        self.memory.release(&identifier.key());
        shared::release(&self.redis, &identifier.key()).await;
    }
}

fn refused(what: &'static str, ip: IpAddr, tried: Option<&str>, wait: Duration) -> Error {
    METRICS
        .rate_limited
        .with_label_values(&["sign-in-ip"])
        .inc();
    tracing::warn!(%ip, identifier = tried, what, limit = "login_per_ip", "sign-in limit reached");
    Error::refused(
        Code::RateLimitExceeded,
        "too many tries from your address; wait as long as retry-after says",
    )
    .retry_after(wait)
}

impl Identifier {
    /// What stands for it wherever it is kept or told of.
    pub(crate) fn hash(&self) -> &str {
        &self.0
    }

    fn key(&self) -> String {
        key(&self.0)
    }
}

fn key(hash: &str) -> String {
    format!("login:id:{hash}")
}

// One subscriber has a whole /64: counting its addresses one by one would count nothing.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_what_was_typed_but_for_case_and_spaces() {
        assert_eq!(
            Identifier::of(" Ann@Example.org "),
            Identifier::of("ann@example.org")
        );
        assert_ne!(
            Identifier::of("ann@example.org"),
            Identifier::of("anna@example.org")
        );
        assert!(!format!("{:?}", Identifier::of("ann@example.org")).contains("ann"));
    }

    #[test]
    fn a_v6_subscriber_is_one_address() {
        let a: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let b: IpAddr = "2001:db8:1:2:ffff::9".parse().unwrap();
        let c: IpAddr = "2001:db8:1:3::1".parse().unwrap();
        assert_eq!(network(a), network(b));
        assert_ne!(network(a), network(c));
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(network(mapped), "192.0.2.1".parse::<IpAddr>().unwrap());
    }
}
