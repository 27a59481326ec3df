//! Chains what has been committed.
//!
//! Owns [`seal`]. One process at a time, under an advisory lock that lives as long as the
//! transaction: a process that dies lets go of it, and nothing is half sealed. Writers are never
//! waited for and never wait: an event that commits late is simply sealed later.

use sqlx::{PgConnection, Row as _};

use super::chain::{GENESIS, Hash, leaf, link};
use super::store;
use crate::db::{Database, DbTime, QueryType, observed};
use crate::error::{Error, Result};

/// Events in one transaction.
pub const BATCH: i64 = 500;

/// Chosen once; the lock of migrations has another number.
const LOCK: i64 = 0x6572_7067_6f61_7564;

/// The newest link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many events it seals, dropped months among them.
    pub position: i64,
    /// Its hash.
    pub hash: Hash,
}

/// What one run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// Another process is sealing.
    Elsewhere,
    /// This many events, up to this head.
    Events(usize, Head),
}

/// Seals one batch of what is pending.
///
/// # Errors
/// When the database does not answer; nothing is sealed then.
pub async fn seal(database: &Database) -> Result<Sealed> {
    let fail = |error| Error::database("seal the audit log", error);
    let mut tx = database.begin_in_turn().await?;
    if !lock(&mut tx).await? {
        tx.rollback().await.map_err(fail)?;
        return Ok(Sealed::Elsewhere);
    }
    let mut head = head(&mut tx).await?;
    let events = store::take_pending(&mut tx, BATCH).await?;
    let mut rows = Rows::default();
    for event in &events {
        let leaf = leaf(event);
        head.position += 1;
        head.hash = link(&head.hash, head.position, &leaf);
        rows.positions.push(head.position);
        rows.seqs.push(event.seq);
        rows.times.push(DbTime(event.at));
        rows.leaves.push(leaf.to_vec());
        rows.hashes.push(head.hash.to_vec());
    }
    if !events.is_empty() {
        rows.insert(&mut tx).await?;
    }
    tx.commit().await.map_err(fail)?;
    Ok(Sealed::Events(events.len(), head))
}

#[derive(Default)]
struct Rows {
    positions: Vec<i64>,
    seqs: Vec<i64>,
    times: Vec<DbTime>,
    leaves: Vec<Vec<u8>>,
    hashes: Vec<Vec<u8>>,
}

impl Rows {
    async fn insert(self, connection: &mut PgConnection) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO audit_chain (position, seq, event_at, leaf, hash)
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::bytea[],
                                  $5::bytea[]) AS links ORDER BY 1",
        )
        .bind(self.positions)
        .bind(self.seqs)
        .bind(self.times)
        .bind(self.leaves)
        .bind(self.hashes)
        .execute(connection);
        observed(QueryType::Insert, "audit_chain.insert", query)
            .await
            .map(drop)
            .map_err(|error| Error::database("store the audit chain", error))
    }
}

async fn lock(connection: &mut PgConnection) -> Result<bool> {
    let query = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
        .bind(LOCK)
        .fetch_one(connection);
    observed(QueryType::Select, "audit_chain.lock", query)
        .await
        .map_err(|error| Error::database("lock the audit chain", error))
}

/// The newest link, or what stands in its place.
///
/// # Errors
/// When the database does not answer.
pub async fn head(connection: &mut PgConnection) -> Result<Head> {
    let fail = |error| Error::database("read the head of the audit chain", error);
    let query = sqlx::query(
        "(SELECT position, hash FROM audit_chain ORDER BY position DESC LIMIT 1)
         UNION ALL (SELECT position, hash FROM audit_cuts ORDER BY position DESC LIMIT 1)
         ORDER BY position DESC LIMIT 1",
    )
    .fetch_optional(connection);
    let row = observed(QueryType::Select, "audit_chain.head", query)
        .await
        .map_err(fail)?;
    let Some(row) = row else {
        return Ok(Head {
            position: 0,
            hash: GENESIS,
        });
    };
    Ok(Head {
        position: row.try_get("position").map_err(fail)?,
        hash: store::hash(&row, "hash").map_err(fail)?,
    })
}
