//! What every handler can reach.
//!
//! Owns [`AppState`]: handles, each cheap to clone, and the settings. It holds no request's data.

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::auth::hash::Hasher;
use crate::auth::refusals::Refusals;
use crate::auth::sessions::Sessions;
use crate::cache::Redis;
use crate::config::{LiveSettings, Settings};
use crate::db::Database;
use crate::limits::{LoginLimits, RateLimits};
use crate::products::{Products, products};
use crate::secrets::Keyring;
use crate::shutdown::Lifecycle;

/// Handle on the parts.
#[derive(Clone)]
pub struct AppState(Arc<Parts>);

/// The parts.
pub struct Parts {
    /// Settings that hold until the process ends.
    pub settings: Settings,
    /// Settings that may be reloaded.
    pub live: Arc<ArcSwap<LiveSettings>>,
    /// The secret set in use.
    pub keyring: Keyring,
    /// PostgreSQL.
    pub database: Database,
    /// Reads of single products.
    pub(crate) products: Products,
    /// Redis, which may be away.
    pub redis: Redis,
    /// Sessions and permissions.
    pub sessions: Sessions,
    /// Password hashing, bounded.
    pub hasher: Hasher,
    /// Sign-in limits.
    pub logins: LoginLimits,
    /// Refusals that are not in the audit log yet.
    pub refusals: Refusals,
    /// Limits of requests.
    pub rates: RateLimits,
    /// Whether the process serves, or is about to end.
    pub lifecycle: Lifecycle,
}

impl AppState {
    /// The parts, from what a process (or a test) begins with.
    #[must_use]
    pub fn new(settings: Settings, keyring: Keyring, database: Database) -> Self {
        let redis = Redis::named(&settings.redis.prefix, settings.redis.deadline);
        let live = Arc::new(ArcSwap::from_pointee(settings.live.clone()));
        Self(Arc::new(Parts {
            sessions: Sessions::new(database.clone(), redis.clone()),
            hasher: Hasher::new(&settings.auth),
            logins: LoginLimits::new(redis.clone(), Arc::clone(&live)),
            refusals: Refusals::default(),
            rates: RateLimits::new(redis.clone(), Arc::clone(&live)),
            lifecycle: Lifecycle::default(),
            products: products(&database, settings.http.request_timeout),
            settings,
            live,
            keyring,
            database,
            redis,
        }))
    }
}

impl Deref for AppState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
