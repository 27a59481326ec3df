//! Limits of requests: by address before anybody is known, by user afterwards.
//!
//! Owns [`RateLimits`]. Redis counts for all processes, by one script a decision; while it is away each
//! process counts for itself. A process takes some units of a large quota at once and spends them by itself
//! for a second, so that a busy user costs a few calls a second and not one a request; the first of
//! each minute it does not ask for, so that a quiet user costs none. How many it takes follows what it
//! spends: many processes that each see a little of a user do not lose the quota between them. Of a small
//! quota it takes one at a time, and the count is exact.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::batch;
use super::class::Class;
use super::entries::{Entries, Hold};
use super::gcra::{Quota, Taken};
use super::subject::{Subject, policy, requests};
use super::{network, shared};
use crate::cache::Redis;
use crate::config::LiveSettings;

/// The window of every quota.
pub const WINDOW: Duration = Duration::from_secs(60);
/// How long units that were taken at once may be spent.
const SPEND: Duration = Duration::from_secs(1);
/// Most units that are taken at once.
const MAX_BATCH: u32 = 500;
/// Most units of a minute that are had without asking.
const FREE: u32 = 100;
/// Units taken at once are at most this part of the quota: what is not spent is lost, and a process
/// takes sixty times a window at the most.
const PARTS: u32 = 1_200;

/// How a subject stands after a request was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The limit's name on the wire.
    pub policy: &'static str,
    /// What may be had.
    pub quota: Quota,
    /// Requests that are left.
    pub left: u32,
    /// Until the whole quota is there again.
    pub full_in: Duration,
    /// Until the next request is admitted; set when this one was not.
    pub wait: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    class: Class,
    subject: Subject,
    // A quota that is changed while the process runs begins anew.
    quota: Quota,
}

#[derive(Clone, Copy)]
struct Entry {
    // Units taken from Redis and not yet spent, of so many.
    units: u32,
    size: u32,
    until: Instant,
    last: Taken,
    // Until when somebody is asking for the next units; over as soon as there is an answer.
    asking: Instant,
    // When a batch is to be had without asking.
    free_at: Instant,
    // This process's own count, and until when it has nothing to give.
    full_at: u64,
    barred: Instant,
}

/// Counts requests.
pub struct RateLimits {
    redis: Redis,
    live: Arc<ArcSwap<LiveSettings>>,
    // Some 200 bytes each.
    entries: Mutex<Entries<Key, Entry>>,
    begun: Instant,
}

impl RateLimits {
    /// Limits that follow `live`.
    #[must_use]
    pub fn new(redis: Redis, live: Arc<ArcSwap<LiveSettings>>) -> Self {
        Self {
            redis,
            live,
            entries: Mutex::default(),
            begun: Instant::now(),
        }
    }

    /// Counts a request; nothing when no limit is set.
    pub async fn count(&self, class: Class, subject: Subject) -> Option<Standing> {
        let requests = requests(&self.live.load().limits.rates, class, subject)?;
        let subject = match subject {
            Subject::Ip(address) => Subject::Ip(network(address)),
            user @ Subject::User(_) => user,
        };
        let quota = Quota {
            requests,
            window: WINDOW,
        };
        let key = Key {
            class,
            subject,
            quota,
        };
        let taken = match self.spend(&key) {
            Some(taken) => taken,
            None => self.take(&key).await,
        };
        Some(Standing {
            policy: policy(class, subject),
            quota,
            left: taken.left,
            full_in: taken.full_in,
            wait: (taken.granted == 0).then(|| quota.wait(taken)),
        })
    }

    /// One of the units that are there without asking.
    fn spend(&self, key: &Key) -> Option<Taken> {
        let batch = key.batch();
        if batch == 1 {
            return None;
        }
        let now = Instant::now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entry(&mut entries, key, now);
        if entry.units == 0 || entry.until <= now {
            if entry.free_at > now {
                return None;
            }
            entry.free_at = now + WINDOW;
            entry.until = entry.free_at;
            let free = batch.min(FREE);
            entry.units = free;
            // Of what follows nothing is known: the last batch was of another minute.
            entry.size = 1;
            (_, entry.last) = key.quota.take(0, 0, free);
        }
        entry.units -= 1;
        Some(Taken {
            left: entry.last.left + entry.units,
            ..entry.last
        })
    }

    async fn take(&self, key: &Key) -> Taken {
        let wanted = self.wanted(key);
        match shared::take(&self.redis, &key.text(), key.quota, wanted).await {
            Some(taken) if wanted == 1 => taken,
            Some(taken) => self.keep(key, taken),
            None => self.alone(key),
        }
    }

    /// How many units to ask for: a batch, unless somebody is asking for one. All of those that come at
    /// once would each take a batch, of which one is needed.
    fn wanted(&self, key: &Key) -> u32 {
        let most = key.batch();
        if most == 1 {
            return 1;
        }
        let now = Instant::now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entry(&mut entries, key, now);
        if entry.asking > now {
            return 1;
        }
        // Others take theirs one by one meanwhile: by then this one has its answer, or was cut off.
        entry.asking = now + self.redis.deadline();
        entry.size = batch::next(entry.size, entry.units, entry.until > now).min(most);
        entry.size
    }

    /// Spends one of `taken`, if any, and keeps the others.
    fn keep(&self, key: &Key, taken: Taken) -> Taken {
        let now = Instant::now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entry(&mut entries, key, now);
        entry.asking = now;
        entry.units = taken.granted.saturating_sub(1);
        entry.until = now + SPEND;
        entry.last = taken;
        Taken {
            left: taken.left + entry.units,
            ..taken
        }
    }

    /// Counts in this process.
    fn alone(&self, key: &Key) -> Taken {
        let now = Instant::now();
        let micros = u64::try_from((now - self.begun).as_micros()).unwrap_or(u64::MAX);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entry(&mut entries, key, now);
        let (full_at, taken) = key.quota.take(entry.full_at, micros, 1);
        entry.asking = now;
        entry.full_at = full_at;
        entry.units = 0;
        entry.size = 1;
        entry.until = now + taken.full_in;
        if taken.granted == 0 {
            entry.barred = now + key.quota.wait(taken);
        }
        taken
    }
}

fn entry<'a>(entries: &'a mut Entries<Key, Entry>, key: &Key, now: Instant) -> &'a mut Entry {
    let fresh = Entry {
        units: 0,
        size: 1,
        until: now,
        asking: now,
        free_at: now,
        last: Taken {
            granted: 0,
            left: 0,
            full_in: Duration::ZERO,
        },
        full_at: 0,
        barred: now,
    };
    entries.entry(*key, |entry| hold(entry, now), fresh)
}

fn hold(entry: &Entry, now: Instant) -> Hold {
    // Whoever had units without asking does not have them again before their time.
    if entry.until.max(entry.free_at) <= now {
        Hold::Over
    } else if entry.barred > now {
        Hold::Bars
    } else {
        Hold::Counts
    }
}

impl Key {
    /// Most units taken at once.
    fn batch(&self) -> u32 {
        (self.quota.requests / PARTS).clamp(1, MAX_BATCH)
    }

    fn text(&self) -> String {
        let (class, requests) = (self.class.as_str(), self.quota.requests);
        match self.subject {
            Subject::Ip(address) => format!("rate:{class}:{requests}:ip:{address}"),
            Subject::User(user) => format!("rate:{class}:{requests}:user:{user}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Rate;
    use proptest::prelude::*;

    fn limits(per_ip: u32, per_user: u32) -> RateLimits {
        let mut live = crate::config::default_live();
        live.limits.rates.read = Rate { per_ip, per_user };
        RateLimits::new(
            Redis::named("erpgo:", crate::cache::DEADLINE),
            Arc::new(ArcSwap::from_pointee(live)),
        )
    }

    fn address(last: u8) -> Subject {
        Subject::Ip([192, 0, 2, last].into())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn r05_a_process_alone_admits_exactly_the_quota(per_ip in 1u32..40, tries in 1u32..80) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let limits = limits(per_ip, 0);
            let admitted = runtime.block_on(async {
                let mut admitted = 0;
                for _ in 0..tries {
                    let standing = limits.count(Class::Read, address(1)).await.unwrap();
                    admitted += u32::from(standing.wait.is_none());
                }
                admitted
            });
            prop_assert_eq!(admitted, tries.min(per_ip));
            let other = runtime.block_on(limits.count(Class::Read, address(2))).unwrap();
            prop_assert_eq!(other.wait, None);
            prop_assert_eq!(other.left, per_ip - 1);
        }
    }

    #[tokio::test]
    async fn a_limit_that_is_off_counts_nothing() {
        let limits = limits(0, 1);
        assert_eq!(limits.count(Class::Read, address(1)).await, None);
        assert_eq!(limits.count(Class::SignIn, address(1)).await, None);
        assert!(limits.entries.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_quota_that_is_changed_holds_at_once() {
        let limits = limits(1, 0);
        limits.count(Class::Read, address(1)).await;
        let refused = limits.count(Class::Read, address(1)).await.unwrap();
        assert!(refused.wait.unwrap() > Duration::from_secs(50));
        let mut live = crate::config::default_live();
        live.limits.rates.read.per_ip = 2;
        limits.live.store(Arc::new(live));
        let admitted = limits.count(Class::Read, address(1)).await.unwrap();
        assert_eq!((admitted.wait, admitted.left), (None, 1));
    }

    #[tokio::test]
    async fn r05_a_large_quota_is_exceeded_by_one_batch_at_the_most() {
        let limits = limits(2 * PARTS, 0);
        let (begun, mut admitted) = (Instant::now(), 0);
        for _ in 0..3 * PARTS {
            let standing = limits.count(Class::Read, address(1)).await.unwrap();
            admitted += u32::from(standing.wait.is_none());
        }
        // Forty come back in each second that this takes.
        let back = u32::try_from(begun.elapsed().as_millis() * 40 / 1_000).unwrap();
        let most = 2 * PARTS + 2 + back + 1;
        assert!((2 * PARTS..=most).contains(&admitted), "{admitted}");
    }

    #[tokio::test]
    async fn r05_who_has_had_the_quota_is_the_last_to_be_forgotten() {
        let limits = limits(2, 0);
        let key = Key {
            class: Class::Read,
            subject: address(1),
            quota: Quota {
                requests: 2,
                window: WINDOW,
            },
        };
        let held = || {
            let now = Instant::now();
            let mut entries = limits.entries.lock().unwrap();
            let entry = *entry(&mut entries, &key, now);
            (hold(&entry, now), hold(&entry, now + 2 * WINDOW))
        };
        for expected in [Hold::Counts, Hold::Counts, Hold::Bars] {
            limits.count(Class::Read, address(1)).await;
            assert_eq!(held(), (expected, Hold::Over));
        }
    }

    #[test]
    fn r05_after_the_free_units_of_a_minute_a_process_asks_for_few_again() {
        let limits = limits(200 * PARTS, 0);
        let key = Key {
            class: Class::Read,
            subject: address(1),
            quota: Quota {
                requests: 200 * PARTS,
                window: WINDOW,
            },
        };
        let now = Instant::now();
        let later = now + WINDOW;
        // A batch of 64 was spent; the free units of a minute are to be had from then on.
        let spent = |free_at| {
            let mut entries = limits.entries.lock().unwrap();
            let entry = entry(&mut entries, &key, now);
            (entry.units, entry.size, entry.asking) = (0, 64, now);
            (entry.until, entry.free_at) = (later, free_at);
        };
        spent(later);
        assert_eq!(limits.spend(&key), None);
        assert_eq!(limits.wanted(&key), 128, "a busy minute goes on");
        spent(now);
        for _ in 0..FREE {
            assert!(limits.spend(&key).is_some());
        }
        assert_eq!(limits.spend(&key), None);
        assert_eq!(limits.wanted(&key), 2, "another has begun");
    }
}
