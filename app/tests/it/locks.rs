//! What waits for a lock of PostgreSQL.

use erpgo_test_kit::postgres::TestDatabase;
use sqlx::{Connection as _, PgConnection};

use crate::sql::{number, sql};
use crate::world::{World, until};

/// A connection that keeps everybody else from `table` until it rolls back.
pub async fn locked(database: &TestDatabase, table: &str) -> PgConnection {
    let mut holder = PgConnection::connect(&database.admin_url()).await.unwrap();
    let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
    sql(&mut holder, &lock).await;
    holder
}

/// As [`locked`], for `products`.
pub async fn products_locked(database: &TestDatabase) -> PgConnection {
    locked(database, "products").await
}

/// Waits until a write holds its Idempotency-Key.
pub async fn a_key_is_held(world: &World) {
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    until("a write holds its key", || async {
        number(world, held).await == 1
    })
    .await;
}

/// Waits until this many of the program's connections to `database` wait for a lock.
pub async fn waits_for_locks(database: &TestDatabase, count: i64) {
    let pool = sqlx::PgPool::connect(&database.admin_url()).await.unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND application_name = 'erpgo' AND wait_event_type = 'Lock'";
    until(&format!("{count} statements wait for a lock"), || async {
        let found = sqlx::query_scalar::<_, i64>(waiting).fetch_one(&pool);
        found.await.unwrap() == count
    })
    .await;
    pool.close().await;
}
