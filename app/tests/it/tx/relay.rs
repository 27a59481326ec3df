//! Connections that go from one request to the next, and the bound of those who wait for one.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use erpgo::db::{Database, Lease};
use erpgo::error::{Code, Error};
use erpgo_test_kit::postgres;
use futures::future::join_all;
use sqlx::Connection as _;

use super::handle;
use crate::sql::sql;
use crate::world::until;

async fn process(lease: &mut Lease) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut **lease)
        .await
        .unwrap()
}

/// The process behind the connection that is lent next, which is handed on.
async fn next(handle: &Database) -> i32 {
    let mut lease = handle.acquire().await.unwrap();
    let process = process(&mut lease).await;
    lease.done();
    process
}

#[tokio::test]
async fn what_is_done_with_is_handed_on_and_goes_back_when_nobody_wants_it() {
    let database = postgres::database().await;
    let handle = handle(&database, 2);
    let first = next(&handle).await;
    assert_eq!(handle.pool().num_idle(), 0, "the pool has it back already");
    for _ in 0..10 {
        assert_eq!(next(&handle).await, first);
    }
    assert_eq!(handle.pool().size(), 1);
    until("the pool has it back", || async {
        handle.pool().num_idle() == 1
    })
    .await;
    assert_eq!(next(&handle).await, first);
}

/// The driver lets others go first 800 times while it proves a password; each would take sixty turns of these.
#[tokio::test]
async fn a_connection_is_opened_while_other_tasks_leave_the_thread_no_rest() {
    let database = postgres::database().await;
    let handle = handle(&database, 2);
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = turns.clone();
    let restless = tokio::spawn(poll_fn(move |context| {
        counted.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(1));
        context.waker().wake_by_ref();
        Poll::<()>::Pending
    }));
    let lease = handle.acquire().await;
    let turns = turns.load(Ordering::Relaxed);
    restless.abort();
    lease.unwrap();
    assert!(turns < 5_000, "{turns}");
}

#[tokio::test]
async fn what_is_in_mid_statement_is_not_handed_on() {
    let database = postgres::database().await;
    let handle = handle(&database, 2);
    let mut lease = handle.acquire().await.unwrap();
    let busy = process(&mut lease).await;
    let sleeping = sql(&mut lease, "SELECT pg_sleep(60)");
    assert!(
        tokio::time::timeout(Duration::from_millis(100), sleeping)
            .await
            .is_err()
    );
    drop(lease);
    for _ in 0..3 {
        assert_ne!(next(&handle).await, busy);
    }
    // Both places are free, one connection is busy: who finds none waits for whichever comes first.
    let held = handle.acquire().await.unwrap();
    let begun = std::time::Instant::now();
    let mut waiting = std::pin::pin!(next(&handle));
    assert!(futures::poll!(&mut waiting).is_pending());
    held.done();
    assert_ne!(waiting.await, busy);
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "it waited for the statement"
    );
}

#[tokio::test]
async fn a_transaction_that_nobody_ended_takes_its_connection_with_it() {
    let database = postgres::database().await;
    let handle = handle(&database, 1);
    let first = next(&handle).await;
    let mut tx = handle.begin().await.unwrap();
    sql(&mut tx, "CREATE TABLE kept (n int)").await;
    tx.commit().await.unwrap();
    assert_eq!(next(&handle).await, first, "a commit keeps the connection");
    let mut tx = handle.begin().await.unwrap();
    sql(&mut tx, "INSERT INTO kept VALUES (1)").await;
    tx.rollback().await.unwrap();
    assert_eq!(
        next(&handle).await,
        first,
        "a rollback keeps the connection"
    );
    let mut tx = handle.begin().await.unwrap();
    sql(&mut tx, "INSERT INTO kept VALUES (2)").await;
    drop(tx);
    assert_ne!(next(&handle).await, first);
    let mut lease = handle.acquire().await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM kept")
        .fetch_one(&mut *lease)
        .await
        .unwrap();
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn a_transaction_is_begun_anew_where_the_server_has_let_go_of_what_was_handed_on() {
    let database = postgres::database().await;
    let handle = handle(&database, 2);
    let (one, other) = (handle.acquire().await, handle.acquire().await);
    let (mut one, mut other) = (one.unwrap(), other.unwrap());
    let gone = [process(&mut one).await, process(&mut other).await];
    one.done();
    other.done();
    let mut admin = sqlx::PgConnection::connect(&database.admin_url())
        .await
        .unwrap();
    sqlx::query("SELECT pg_terminate_backend(pid, 5000) FROM unnest($1) pid")
        .bind(gone)
        .execute(&mut admin)
        .await
        .unwrap();
    let mut tx = handle.begin().await.unwrap();
    let process: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(!gone.contains(&process));
    assert_eq!(next(&handle).await, process);
}

#[tokio::test]
async fn a_connection_that_broke_in_use_is_lent_to_nobody_else() {
    let database = postgres::database().await;
    let handle = handle(&database, 1);
    let mut lease = handle.acquire().await.unwrap();
    let first = process(&mut lease).await;
    let killed = sqlx::query("SELECT pg_terminate_backend(pg_backend_pid())")
        .execute(&mut *lease)
        .await;
    assert!(killed.is_err());
    drop(lease);
    assert_ne!(next(&handle).await, first);
}

#[tokio::test]
async fn r06_who_would_wait_too_long_is_turned_away_at_once_and_those_who_wait_are_served() {
    let database = postgres::database().await;
    let handle = handle(&database, 1);
    let held = handle.acquire().await.unwrap();
    let waiting = (0..40).map(|_| {
        let handle = handle.clone();
        async move {
            let lease = handle.acquire().await?;
            lease.done();
            Ok::<_, Error>(())
        }
    });
    let mut waiting = std::pin::pin!(join_all(waiting));
    // More than once: a task that has done much is asked to let others go first.
    for _ in 0..10 {
        assert!(futures::poll!(&mut waiting).is_pending());
        tokio::task::yield_now().await;
    }
    let mut health = std::pin::pin!(handle.acquire_in_turn());
    assert!(futures::poll!(&mut health).is_pending(), "turned away");
    held.done();
    let outcomes = waiting.await;
    let (served, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((served.len(), refused.len()), (32, 8));
    for refusal in refused {
        assert_eq!(refusal.unwrap_err().code(), Code::Overloaded);
    }
    health.await.unwrap().done();
    next(&handle).await;
}
