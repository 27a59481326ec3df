//! SQL of the walk: reads of one snapshot.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use super::walk::{Beginning, Link, Loose};
use crate::audit::chain::{GENESIS, Stored};
use crate::audit::seal::Head;
use crate::audit::store;
use crate::db::DbTime;

/// Everything after this sees one moment, and can change nothing.
pub(super) async fn snapshot(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL statement_timeout = 0",
    )
    .execute(connection)
    .await
    .map(drop)
}

pub(super) async fn beginning(connection: &mut PgConnection) -> Result<Beginning, sqlx::Error> {
    let row = sqlx::query(
        "SELECT now() - interval '1 year' AS horizon, c.position, c.hash,
                coalesce(c.until > now() - interval '1 year', false) AS too_young
         FROM (SELECT 1) AS one
         LEFT JOIN (SELECT * FROM audit_cuts ORDER BY position DESC LIMIT 1) AS c ON true",
    )
    .fetch_one(connection)
    .await?;
    let position: Option<i64> = row.try_get("position")?;
    let head = match position {
        None => Head {
            position: 0,
            hash: GENESIS,
        },
        Some(position) => Head {
            position,
            hash: store::hash(&row, "hash")?,
        },
    };
    Ok(Beginning {
        head,
        horizon: row.try_get::<DbTime, _>("horizon")?.0,
        too_young: row.try_get("too_young")?,
    })
}

/// Up to `limit` links after `position`, each with its event.
pub(super) async fn links(
    connection: &mut PgConnection,
    position: i64,
    limit: i64,
) -> Result<Vec<(Link, Option<Stored>)>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT c.position, c.seq AS link_seq, c.event_at, c.leaf, c.hash, e.seq IS NOT NULL AS there,
                e.seq, e.at, e.id, e.action, e.outcome, e.actor, e.target, e.detail, e.request_id,
                e.subject, e.sealed
         FROM (SELECT * FROM audit_chain WHERE position > $1 ORDER BY position LIMIT $2) AS c
         LEFT JOIN audit_events e ON e.seq = c.seq AND e.at = c.event_at
         ORDER BY c.position",
    )
    .bind(position)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(pair).collect()
}

fn pair(row: &PgRow) -> Result<(Link, Option<Stored>), sqlx::Error> {
    let link = Link {
        position: row.try_get("position")?,
        seq: row.try_get("link_seq")?,
        event_at: row.try_get::<DbTime, _>("event_at")?.0,
        leaf: store::hash(row, "leaf")?,
        hash: store::hash(row, "hash")?,
    };
    let there: bool = row.try_get("there")?;
    Ok((link, there.then(|| store::stored(row)).transpose()?))
}

/// What lies outside of the chain.
pub(super) async fn loose(connection: &mut PgConnection) -> Result<Loose, sqlx::Error> {
    let row = sqlx::query(
        "SELECT (SELECT count(*) FROM audit_pending) AS pending,
                (SELECT min(e.seq) FROM audit_events e
                 WHERE NOT EXISTS (SELECT 1 FROM audit_chain c WHERE c.seq = e.seq AND c.event_at = e.at)
                   AND NOT EXISTS (SELECT 1 FROM audit_pending p WHERE p.seq = e.seq)) AS unsealed,
                (SELECT min(p.seq) FROM audit_pending p
                 WHERE NOT EXISTS (SELECT 1 FROM audit_events e WHERE e.seq = p.seq AND e.at = p.at))
                    AS vanished",
    )
    .fetch_one(connection)
    .await?;
    Ok(Loose {
        pending: row.try_get("pending")?,
        unsealed: row.try_get("unsealed")?,
        vanished: row.try_get("vanished")?,
    })
}
