//! A connection that is in the middle of a transaction.
//!
//! Owns [`Held`]. Put back into the pool in mid-statement, a connection would first wait for that
//! statement, with all of its locks; closed, the server ends it (`client_connection_check_interval`).

use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres};

/// Closes its connection when dropped, unless the transaction was settled.
pub(super) struct Held {
    connection: PoolConnection<Postgres>,
    settled: bool,
}

impl Held {
    pub(super) fn new(connection: PoolConnection<Postgres>) -> Self {
        Self {
            connection,
            settled: false,
        }
    }

    /// The transaction has ended: the connection may serve others.
    pub(super) fn settle(&mut self) {
        self.settled = true;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.settled {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for Held {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
