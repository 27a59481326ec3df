//! Connections handed from one request to the next.
//!
//! Owns [`Relay`], and the bound of those who wait for a connection. The driver's pool asks PostgreSQL
//! before it lends a connection and again when it is given back, which makes three round trips of
//! one. A connection whose statements have all been answered is handed on as it is, for at most
//! [`PROVEN`] after the pool lent it; any other, and one that nobody wants, goes back to the pool. A
//! connection that may be in the middle of something is never handed on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::aside::aside;
use super::lease::{Held, Lease};

/// How long a connection is handed on without its being tried again.
const PROVEN: Duration = Duration::from_secs(1);
/// Requests that may wait, for each connection: a wait of some tens of milliseconds at full speed.
const WAITING: usize = 32;

/// Whether whoever comes when as many wait as may is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    /// They are.
    Bounded,
    /// They wait with the others.
    Open,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum NoLease {
    /// As many wait as may.
    Crowded,
    /// What the pool says.
    Pool(sqlx::Error),
}

/// A pool, and its connections on the way from one request to the next.
pub(super) struct Relay {
    pool: PgPool,
    places: Arc<Semaphore>,
    waiting: Semaphore,
    // None once nothing is handed on any more.
    warm: Mutex<Option<Vec<Held>>>,
    handed_on: Notify,
    swept: AtomicBool,
}

impl Relay {
    pub(super) fn new(pool: PgPool) -> Arc<Self> {
        let places = usize::try_from(pool.options().get_max_connections()).unwrap_or(usize::MAX);
        let places = places.min(Semaphore::MAX_PERMITS / WAITING);
        Arc::new(Self {
            places: Arc::new(Semaphore::new(places)),
            waiting: Semaphore::new(places * WAITING),
            warm: Mutex::new(Some(Vec::with_capacity(places.min(100)))),
            handed_on: Notify::new(),
            swept: AtomicBool::new(false),
            pool,
        })
    }

    /// The driver's pool.
    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Connections that nobody holds, though the driver's pool has lent them.
    pub(super) fn warm(&self) -> usize {
        self.locked().as_ref().map_or(0, Vec::len)
    }

    /// Whether as many wait as may.
    pub(super) fn is_crowded(&self) -> bool {
        self.waiting.available_permits() == 0
    }

    /// Lends a connection.
    pub(super) async fn lend(self: &Arc<Self>, queue: Queue) -> Result<Lease, NoLease> {
        let patience = self.pool.options().get_acquire_timeout();
        let lent = tokio::time::timeout(patience, async {
            let place = self.place(queue).await?;
            if self.pool.is_closed() {
                return Err(NoLease::Pool(sqlx::Error::PoolClosed));
            }
            let held = self.next().await.map_err(NoLease::Pool)?;
            Ok(Lease::new(held, Arc::clone(self), place))
        });
        lent.await
            .unwrap_or(Err(NoLease::Pool(sqlx::Error::PoolTimedOut)))
    }

    async fn place(&self, queue: Queue) -> Result<OwnedSemaphorePermit, NoLease> {
        let places = Arc::clone(&self.places);
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            return Ok(place);
        }
        let waiting = match queue {
            Queue::Bounded => Some(self.waiting.try_acquire().map_err(|_| NoLease::Crowded)?),
            Queue::Open => None,
        };
        let place = places.acquire_owned().await;
        drop(waiting);
        place.map_err(|_| NoLease::Pool(sqlx::Error::PoolClosed))
    }

    /// One that is handed on, or one of the pool's.
    async fn next(&self) -> Result<Held, sqlx::Error> {
        // To listen takes a lock, which is spared where one is at hand.
        if let Some(held) = self.take() {
            return Ok(held);
        }
        loop {
            // Listened for before looking, so that none comes in between.
            let mut handed_on = std::pin::pin!(self.handed_on.notified());
            handed_on.as_mut().enable();
            if let Some(held) = self.take() {
                return Ok(held);
            }
            let lent = self.pool.acquire();
            if self.pool.num_idle() > 0 {
                // Never given up while it tries a connection: that would close it.
                return lent.await.map(Held::new);
            }
            let options = self.pool.options();
            if self.pool.size() < options.get_max_connections() {
                let opened = aside(options.get_acquire_timeout(), lent).await;
                return opened.map(Held::new);
            }
            // The last one may be waiting for the end of a statement that nobody wants any more.
            tokio::select! {
                lent = lent => return lent.map(Held::new),
                () = handed_on => {}
            }
        }
    }

    fn take(&self) -> Option<Held> {
        loop {
            let mut held = self.locked().as_mut()?.pop()?;
            if held.age() < PROVEN {
                held.is_handed_on = true;
                return Some(held);
            }
        }
    }

    /// Gives back to the pool, which tries them, all that nobody holds.
    pub(super) fn distrust(&self) {
        let all = self.locked().as_mut().map(std::mem::take);
        drop(all);
    }

    /// Keeps `held` for whoever comes next.
    pub(super) fn hand_on(self: &Arc<Self>, held: Held) {
        if held.age() >= PROVEN || self.pool.is_closed() {
            return;
        }
        let mut locked = self.locked();
        let Some(all) = locked.as_mut() else { return };
        all.push(held);
        drop(locked);
        self.handed_on.notify_waiters();
        if !self.swept.swap(true, Ordering::AcqRel) {
            tokio::spawn(sweep(Arc::clone(self)));
        }
    }

    /// Gives back what has not been wanted; whether there is more.
    fn give_back(&self) -> bool {
        let mut locked = self.locked();
        let Some(all) = locked.as_mut() else {
            return false;
        };
        let old: Vec<Held> = all.extract_if(.., |held| held.age() >= PROVEN).collect();
        let more = !all.is_empty();
        drop(locked);
        drop(old);
        more
    }

    /// Hands nothing on from here on, and sends those who wait elsewhere.
    pub(super) fn close(&self) {
        self.places.close();
        let warm = self.locked().take();
        drop(warm);
    }

    fn locked(&self) -> MutexGuard<'_, Option<Vec<Held>>> {
        self.warm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends when nothing is on its way.
async fn sweep(relay: Arc<Relay>) {
    loop {
        tokio::time::sleep(PROVEN).await;
        if relay.give_back() {
            continue;
        }
        relay.swept.store(false, Ordering::Release);
        // One may have come in between, and found this one still there.
        if relay.warm() == 0 || relay.swept.swap(true, Ordering::AcqRel) {
            return;
        }
    }
}
