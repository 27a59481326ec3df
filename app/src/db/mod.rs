//! The database handle.
//!
//! Owns [`Database`]: the pool in use, which a rotation of the credentials replaces while requests
//! run, and the measurements around it. It knows no table. Stores take a `&mut PgConnection` and
//! wrap each query in [`observed`].

mod aside;
mod connect;
mod count;
pub mod gather;
mod lease;
mod observe;
#[cfg(test)]
pub mod plan;
mod relay;
mod timestamp;
mod transaction;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};

use crate::error::{Code, Error, Result};
use crate::metrics::METRICS;

use aside::aside;
use relay::{NoLease, Queue, Relay};

pub use connect::{ConnectError, connect, lazy_pool, prove};
pub use count::{Total, count};
pub use lease::Lease;
pub use observe::{QueryType, observed};
pub(crate) use observe::{measured, traced};
pub use timestamp::DbTime;
pub use transaction::Transaction;

/// How long the connection that listens may take to come about.
const EAR: Duration = Duration::from_secs(2);

/// What whoever may not even wait is told.
pub const CROWDED: &str = "more is asked of this server than it can do; try again shortly";
/// When it is worth another try.
pub const AGAIN: Duration = Duration::from_secs(1);

/// The pool in use.
#[derive(Clone)]
pub struct Database {
    relay: Arc<ArcSwap<Relay>>,
    // The one connection that listens.
    ear: Arc<ArcSwapOption<PgPool>>,
}

/// What was in use before, and serves until nobody holds it.
pub(crate) struct Retired {
    pub(crate) pool: PgPool,
    pub(crate) ear: Option<Arc<PgPool>>,
}

impl Database {
    /// A handle on `pool`.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self {
            relay: Arc::new(ArcSwap::new(Relay::new(pool))),
            ear: Arc::default(),
        }
    }

    /// The pool in use now.
    #[must_use]
    pub fn pool(&self) -> PgPool {
        PgPool::clone(self.relay.load().pool())
    }

    /// Puts `next` in use and returns what was before it, whose connections still serve.
    #[must_use]
    pub(crate) fn replace(&self, next: PgPool) -> Retired {
        let before = self.relay.swap(Relay::new(next));
        before.close();
        let ear = self.ear.swap(None);
        Retired {
            pool: PgPool::clone(before.pool()),
            ear,
        }
    }

    /// Listens on `channel`, on a connection of its own: one that waits for a request to end would hear
    /// late. When the credentials turn, it ends with `PoolClosed`.
    ///
    /// # Errors
    /// When the database does not let us in within [`EAR`].
    pub(crate) async fn listen(&self, channel: &str) -> Result<PgListener, sqlx::Error> {
        let options = self.pool().connect_options();
        let ear = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(EAR)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(PgConnectOptions::clone(&options).application_name("erpgo-ear"));
        self.ear.store(Some(Arc::new(ear.clone())));
        if !Arc::ptr_eq(&options, &self.pool().connect_options()) {
            // They turned in between, and nobody closes this one.
            self.ear.store(None);
            return Err(sqlx::Error::PoolClosed);
        }
        let opening = async {
            let connecting = async move { PgListener::connect_with(&ear).await };
            let mut listener = aside(EAR, connecting).await?;
            listener.eager_reconnect(false);
            listener.listen(channel).await?;
            Ok(listener)
        };
        tokio::time::timeout(EAR, opening)
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// Closes every connection, once it is given back.
    pub async fn close(&self) {
        if let Some(ear) = self.ear.swap(None) {
            ear.close().await;
        }
        let relay = self.relay.load_full();
        relay.close();
        relay.pool().close().await;
    }

    /// A connection; the wait for it is measured, and an exhausted pool is logged and counted.
    ///
    /// # Errors
    /// OVERLOADED when too many wait for one already, SERVICE_UNAVAILABLE when none is to be had within
    /// the acquire timeout.
    pub async fn acquire(&self) -> Result<Lease> {
        self.queue(Queue::Bounded).await
    }

    /// As [`Database::acquire`], but waits for its turn however many wait already: for work of the process's
    /// own, and for what a request has begun and must finish.
    ///
    /// # Errors
    /// SERVICE_UNAVAILABLE as there.
    pub async fn acquire_in_turn(&self) -> Result<Lease> {
        self.queue(Queue::Open).await
    }

    async fn queue(&self, queue: Queue) -> Result<Lease> {
        let begun = Instant::now();
        let taken = self.take(queue).await;
        waited(begun.elapsed(), taken.as_ref().err());
        taken.map_err(|none| match none {
            NoLease::Crowded => crowded(),
            NoLease::Pool(error) => Error::database("take a database connection", error),
        })
    }

    /// Whether a request is to be turned away, since it could not even wait for a connection. It counts as
    /// one that was.
    #[must_use]
    pub fn turns_away(&self) -> bool {
        let crowded = self.relay.load().is_crowded();
        if crowded {
            METRICS.pool_shed.inc();
        }
        crowded
    }

    /// A transaction; it rolls back unless it is committed.
    ///
    /// # Errors
    /// As [`Database::acquire`], and when `BEGIN` fails.
    pub async fn begin(&self) -> Result<Transaction> {
        self.begun(Queue::Bounded).await
    }

    /// As [`Database::begin`], in turn.
    ///
    /// # Errors
    /// As [`Database::acquire_in_turn`], and when `BEGIN` fails.
    pub async fn begin_in_turn(&self) -> Result<Transaction> {
        self.begun(Queue::Open).await
    }

    async fn begun(&self, queue: Queue) -> Result<Transaction> {
        let lease = self.queue(queue).await?;
        let untried = lease.is_handed_on();
        let begun = match Transaction::begin(lease).await {
            // The server has let go of it since it was tried, and of the others, most likely. Nothing was
            // done yet.
            Err(_) if untried => {
                self.relay.load().distrust();
                Transaction::begin(self.queue(queue).await?).await
            }
            begun => begun,
        };
        begun.map_err(|error| Error::database("begin a transaction", error))
    }

    /// Takes from the pool in use. A request that waits in a pool which is then let go of waits on in
    /// the one that took its place.
    async fn take(&self, queue: Queue) -> Result<Lease, NoLease> {
        loop {
            let relay = self.relay.load_full();
            match relay.lend(queue).await {
                Err(NoLease::Pool(sqlx::Error::PoolClosed)) if !self.pool().is_closed() => {}
                taken => return taken,
            }
        }
    }

    /// Publishes the pool's gauges.
    pub fn publish(&self) {
        let relay = self.relay.load();
        let size = i64::from(relay.pool().size());
        let idle = relay.pool().num_idle() + relay.warm();
        let idle = i64::try_from(idle).unwrap_or(i64::MAX);
        METRICS.pool_size.set(size);
        METRICS.pool_in_use.set((size - idle).max(0));
    }
}

fn crowded() -> Error {
    Error::refused(Code::Overloaded, CROWDED).retry_after(AGAIN)
}

fn waited(wait: Duration, error: Option<&NoLease>) {
    METRICS.pool_wait.observe(wait.as_secs_f64());
    match error {
        Some(NoLease::Crowded) => METRICS.pool_shed.inc(),
        Some(NoLease::Pool(sqlx::Error::PoolTimedOut)) => {
            METRICS.pool_exhausted.inc();
            tracing::warn!(
                wait_seconds = wait.as_secs_f64(),
                "the connection pool is exhausted"
            );
        }
        _ => {}
    }
}
