//! What waits for a lock of PostgreSQL.

use erpgo_test_kit::postgres::TestDatabase;

use crate::world::until;

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
