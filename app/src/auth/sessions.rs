//! Whether a session or an API key still stands and what its user may do, known without asking each time.
//!
//! Owns [`Sessions`]. An answer is kept in the process for a few seconds: `HEARD` while it is proven that
//! changes are heard of ([`super::hear`]), `DEAF` while it is not, so that a sign-out or a change of
//! roles takes hold in the next check where it is heard of, and within a second everywhere (P12): no
//! loss of Redis or of a connection makes that longer. PostgreSQL has the last word; permissions
//! alone are also kept in Redis for five minutes (R7.1), under the user's epoch, so that an entry
//! cannot outlive the change that makes it wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use moka::future::Cache as Memory;
use sqlx::PgConnection;
use subtle::ConstantTimeEq as _;

use super::recent::recent;
use super::store;
use super::token::{Claims, TokenError};
use crate::api_keys::{self, ApiKeyId, Known, Presented};
use crate::cache::Redis;
use crate::db::Database;
use crate::error::{Code, Error, Result};
use crate::metrics::METRICS;
use crate::roles::permission::PermissionSet;
use crate::users::{SessionId, UserId};

/// How long an answer is used while changes are heard of.
const HEARD: Duration = Duration::from_secs(5);
/// How long an answer is used while they are not.
const DEAF: Duration = Duration::from_millis(800);
/// How long one proof that changes are heard of counts: as long, or it would break the promise of `DEAF`.
const PROVEN: Duration = DEAF;
/// Sessions and keys kept in memory: about 300 bytes each.
const CAPACITY: u64 = 10_000;

/// What is presented; a key by its whole hash, so that its handle alone finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Proof {
    Session(SessionId),
    Key([u8; 32]),
}

/// What a live session or key allows.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Whose it is.
    pub user: UserId,
    /// What may be done with it.
    pub permissions: PermissionSet,
    key: Option<ByKey>,
    loaded: Instant,
}

/// What an API key adds to a grant.
#[derive(Clone, Debug)]
struct ByKey {
    id: ApiKeyId,
    /// What the key's owner may do, in person.
    owner: PermissionSet,
    expires_at: Timestamp,
}

impl Grant {
    /// The API key, if it is one.
    pub(super) fn key(&self) -> Option<ApiKeyId> {
        self.key.as_ref().map(|key| key.id)
    }

    /// Whether only the key's scopes stand in the way of `permission`.
    pub(super) fn owner_allows(&self, permission: &str) -> bool {
        let key = self.key.as_ref();
        key.is_some_and(|key| key.owner.allows(permission))
    }

    fn has_ended(&self) -> bool {
        let key = self.key.as_ref();
        key.is_some_and(|key| key.expires_at <= Timestamp::now())
    }
}

/// The answers known to this process.
#[derive(Clone)]
pub struct Sessions {
    memory: Memory<Proof, Arc<Grant>>,
    changes: Arc<AtomicU64>,
    // Microseconds after `begun` up to which changes were heard of; none at 0.
    heard: Arc<AtomicU64>,
    begun: Instant,
    database: Database,
    redis: Redis,
}

impl Sessions {
    /// An empty cache.
    #[must_use]
    pub fn new(database: Database, redis: Redis) -> Self {
        Self {
            memory: Memory::builder()
                .max_capacity(CAPACITY)
                .time_to_live(HEARD)
                .support_invalidation_closures()
                .eviction_listener(|_, _, cause| {
                    if cause.was_evicted() {
                        METRICS.cache_evictions.inc();
                    }
                })
                .build(),
            changes: Arc::default(),
            heard: Arc::default(),
            begun: Instant::now(),
            database,
            redis,
        }
    }

    /// Publishes how much is held.
    pub fn publish(&self) {
        let entries = i64::try_from(self.memory.entry_count()).unwrap_or(i64::MAX);
        METRICS.cache_entries.set(entries);
    }

    /// What the session behind `claims` allows now.
    ///
    /// # Errors
    /// TOKEN_REVOKED when the session has ended, 503 when the database is away.
    pub async fn grant(&self, claims: &Claims) -> Result<Arc<Grant>> {
        let proof = Proof::Session(claims.sid);
        let known = self.remembered(proof).await;
        if let Some(grant) = known.filter(|grant| grant.user == claims.sub) {
            return Ok(grant);
        }
        self.load(proof, async |connection| {
            let live = store::live(connection, claims.sid, claims.sub)
                .await?
                .ok_or_else(|| Error::refused(Code::TokenRevoked, "sign in again"))?;
            let permissions = self.permissions(connection, claims.sub, live.epoch).await?;
            if !live.noted {
                noted(store::touch(connection, claims.sid).await);
            }
            Ok((claims.sub, permissions, None))
        })
        .await
    }

    /// What the API key allows now.
    ///
    /// # Errors
    /// TOKEN_INVALID when it was never issued, TOKEN_EXPIRED or TOKEN_REVOKED when its time is over,
    /// 503 when the database is away.
    pub async fn grant_by_key(&self, presented: &Presented) -> Result<Arc<Grant>> {
        let proof = Proof::Key(*presented.digest());
        if let Some(grant) = self.remembered(proof).await {
            return Ok(grant);
        }
        self.load(proof, async |connection| {
            let known = api_keys::known(connection, presented.handle()).await?;
            let known = live(known, presented)?;
            let owner = self
                .permissions(connection, known.user, known.epoch)
                .await?;
            if !known.noted {
                noted(api_keys::touch(connection, known.id).await);
            }
            let permissions = owner.within(&known.scopes);
            let key = ByKey {
                id: known.id,
                owner,
                expires_at: known.expires_at,
            };
            Ok((known.user, permissions, Some(key)))
        })
        .await
    }

    /// Every change committed before `at` was heard of.
    pub(super) fn heard(&self, at: Instant) {
        let until = at.saturating_duration_since(self.begun).as_micros();
        let until = u64::try_from(until).unwrap_or(u64::MAX);
        self.heard.store(until, Ordering::Release);
    }

    /// Changes may go unheard from now on.
    pub(super) fn deaf(&self) {
        self.heard.store(0, Ordering::Release);
    }

    /// Whether it was proven of late that changes are heard of.
    #[must_use]
    pub fn hears(&self) -> bool {
        let until = self.heard.load(Ordering::Acquire);
        let age = self
            .begun
            .elapsed()
            .saturating_sub(Duration::from_micros(until));
        until > 0 && age < PROVEN
    }

    async fn remembered(&self, proof: Proof) -> Option<Arc<Grant>> {
        let fresh = if self.hears() { HEARD } else { DEAF };
        let known = self.memory.get(&proof).await;
        let grant = known.filter(|grant| grant.loaded.elapsed() < fresh && !grant.has_ended());
        let result = if grant.is_some() { "hit" } else { "miss" };
        METRICS
            .cache_operations
            .with_label_values(&["session", result])
            .inc();
        grant
    }

    async fn load(
        &self,
        proof: Proof,
        read: impl AsyncFnOnce(&mut PgConnection) -> Result<(UserId, PermissionSet, Option<ByKey>)>,
    ) -> Result<Arc<Grant>> {
        // Taken before the read: a change that arrives during it makes the answer unfit to keep.
        let before = self.changes.load(Ordering::Acquire);
        let loaded = Instant::now();
        let mut connection = self.database.acquire().await?;
        let (user, permissions, key) = read(&mut connection).await?;
        connection.done();
        let grant = Arc::new(Grant {
            user,
            permissions,
            key,
            loaded,
        });
        // In this order: a change that arrives in between finds the entry, or is seen here.
        self.memory.insert(proof, Arc::clone(&grant)).await;
        if self.changes.load(Ordering::Acquire) != before {
            self.memory.invalidate(&proof).await;
        }
        Ok(grant)
    }

    async fn permissions(
        &self,
        connection: &mut PgConnection,
        user: UserId,
        epoch: i64,
    ) -> Result<PermissionSet> {
        if let Some(permissions) = self.redis.permissions(user, epoch).await {
            return Ok(permissions);
        }
        let permissions = store::permissions(connection, user).await?;
        self.redis.keep_permissions(user, epoch, &permissions).await;
        Ok(permissions)
    }

    /// Puts what those may do who came last into Redis, unless it is there: whichever process they come to next, it
    /// need not ask PostgreSQL for it. How many it was not there of; none of them when Redis is away.
    ///
    /// # Errors
    /// 503 when the database is away.
    pub async fn warm(&self) -> Result<Option<u64>> {
        self.redis.has_been_met().await;
        if !self.redis.is_up() {
            return Ok(None);
        }
        let mut connection = self.database.acquire_in_turn().await?;
        let entries = recent(&mut connection).await?;
        connection.done();
        Ok(Some(self.redis.add_permissions(&entries).await))
    }

    /// Forgets what is known of `users` here and tells every other process to.
    pub async fn changed(&self, users: &[UserId]) {
        for user in users {
            self.forget(*user);
        }
        self.redis.announce(users).await;
    }

    /// Forgets what is known of `user`.
    pub fn forget(&self, user: UserId) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        // Fails only without support_invalidation_closures, which the constructor asks for.
        let _ = self
            .memory
            .invalidate_entries_if(move |_, grant| grant.user == user);
    }

    /// Forgets everything: changes may have been missed.
    pub fn forget_all(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.memory.invalidate_all();
    }
}

/// The key, if it is the one presented and still stands. Who does not have the whole key learns
/// nothing of its state.
fn live(known: Option<Known>, presented: &Presented) -> Result<Known> {
    let same = |known: &Known| bool::from(known.digest.ct_eq(presented.digest()));
    let known = known.filter(same).ok_or(TokenError::Invalid)?;
    if known.revoked {
        return Err(Error::refused(Code::TokenRevoked, "make a new API key"));
    }
    if known.expires_at <= Timestamp::now() {
        return Err(Error::refused(Code::TokenExpired, "make a new API key"));
    }
    Ok(known)
}

/// When something was last used is worth less than the request that uses it.
fn noted(outcome: Result<()>) {
    if let Err(error) = outcome {
        tracing::warn!(error = %erpgo_telemetry::chain(&error), "a last use could not be noted");
    }
}
