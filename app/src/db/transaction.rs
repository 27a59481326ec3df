//! A transaction on a connection of its own.
//!
//! Owns [`Transaction`]. Given back in mid-statement, a connection would first wait for that statement, with
//! all of its locks; closed, the server ends it (`client_connection_check_interval`). So whatever is
//! not ended by [`Transaction::commit`] or [`Transaction::rollback`] closes its connection. There are no
//! transactions within transactions.

use std::ops::{Deref, DerefMut};

use sqlx::PgConnection;

use super::Lease;

/// Closes its connection when dropped: PostgreSQL then rolls back.
pub struct Transaction(Lease);

impl Transaction {
    /// Begins one on `lease`.
    pub(super) async fn begin(mut lease: Lease) -> Result<Self, sqlx::Error> {
        lease.set_busy(true);
        say(&mut lease, "BEGIN").await?;
        Ok(Self(lease))
    }

    /// Keeps what was done.
    ///
    /// # Errors
    /// When PostgreSQL refuses it, or its answer is lost: then nobody knows.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        say(&mut self.0, "COMMIT").await?;
        self.end();
        Ok(())
    }

    /// Undoes what was done.
    ///
    /// # Errors
    /// When PostgreSQL does not confirm it. It is undone all the same.
    pub async fn rollback(mut self) -> Result<(), sqlx::Error> {
        say(&mut self.0, "ROLLBACK").await?;
        self.end();
        Ok(())
    }

    fn end(mut self) {
        self.0.set_busy(false);
        self.0.done();
    }
}

async fn say(connection: &mut PgConnection, word: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(word).execute(connection).await.map(drop)
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}
