//! A connection that one request holds.
//!
//! Owns [`Lease`] and what becomes of a connection afterwards: handed on, given back, or closed. Only
//! [`Lease::done`] hands it on, so that a request that is cut off anywhere never does.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres};
use tokio::sync::OwnedSemaphorePermit;

use super::relay::Relay;

/// A connection that the driver's pool lent. Dropped, it goes back there and is tried, or is closed.
pub(super) struct Held {
    connection: PoolConnection<Postgres>,
    lent: Instant,
    is_busy: bool,
    pub(super) is_handed_on: bool,
}

impl Held {
    pub(super) fn new(connection: PoolConnection<Postgres>) -> Self {
        Self {
            connection,
            lent: Instant::now(),
            is_busy: false,
            is_handed_on: false,
        }
    }

    /// Since the pool lent it.
    pub(super) fn age(&self) -> Duration {
        self.lent.elapsed()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.is_busy {
            self.connection.close_on_drop();
        }
    }
}

/// A connection. Dropped, it goes back to the driver's pool, which tries it first.
pub struct Lease {
    held: Held,
    relay: Arc<Relay>,
    place: OwnedSemaphorePermit,
}

impl Lease {
    pub(super) fn new(held: Held, relay: Arc<Relay>, place: OwnedSemaphorePermit) -> Self {
        Self { held, relay, place }
    }

    /// Hands it on to the next request. All of its statements must have been answered.
    pub fn done(self) {
        self.relay.hand_on(self.held);
        // Only now: whoever waits for the place finds the connection.
        drop(self.place);
    }

    /// Whether it came from another request, and not from the pool, which would have tried it.
    pub(super) const fn is_handed_on(&self) -> bool {
        self.held.is_handed_on
    }

    /// Says whether it is in the middle of something: it is then closed when it is dropped.
    pub(super) fn set_busy(&mut self, is_busy: bool) {
        self.held.is_busy = is_busy;
    }
}

impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.held.connection
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.held.connection
    }
}
