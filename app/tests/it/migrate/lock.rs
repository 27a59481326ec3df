//! At most one migration a database (I-02), and locks that others hold.

use std::time::{Duration, Instant};

use erpgo::cli::Exit;
use erpgo::migrate::{MigrateError, Options, Outcome, Report};
use sqlx::{Connection as _, PgConnection};

use super::{connect, empty, options, run};
use crate::sql::{scalar, sql};

#[tokio::test]
async fn i02_of_many_that_start_at_once_one_migrates_and_the_others_find_it_done() {
    let (database, mut connection) = empty().await;
    sql(&mut connection, "CREATE TABLE runs (at timestamptz)").await;
    const FILES: [(&str, &str); 2] = [
        (
            "0001_one.sql",
            "INSERT INTO runs VALUES (now()); SELECT pg_sleep(0.2)",
        ),
        (
            "0002_two.sql",
            "INSERT INTO runs VALUES (now()); CREATE TABLE two (id int)",
        ),
    ];
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mut connection = connect(&database).await;
        let patient = Options {
            patience: Duration::from_secs(60),
            ..options()
        };
        tasks.spawn(async move { run(&mut connection, &FILES, patient).await.unwrap() });
    }
    let mut applied: Vec<_> = tasks.join_all().await;
    applied.retain(|names| !names.is_empty());
    assert_eq!(applied, [["0001_one", "0002_two"]]);
    assert_eq!(
        scalar::<i64>(&mut connection, "SELECT count(*) FROM runs").await,
        2
    );
}

#[tokio::test]
async fn i02_one_that_waits_in_vain_changes_nothing_and_is_worth_another_try() {
    let (database, mut connection) = empty().await;
    let mut holder = connect(&database).await;
    let slow = [(
        "0001_slow.sql",
        "CREATE TABLE slow (id int); SELECT pg_sleep(10)",
    )];
    let running = tokio::spawn(async move { run(&mut holder, &slow, options()).await });
    crate::world::until("the other one holds the lock", || async {
        let mut observer = connect(&database).await;
        scalar::<bool>(
            &mut observer,
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND granted)",
        )
        .await
    })
    .await;
    let files = [("0001_other.sql", "CREATE TABLE other (id int)")];
    let error = run(&mut connection, &files, options()).await.unwrap_err();
    assert!(matches!(error, MigrateError::Locked(_)), "{error:?}");
    assert_eq!(error.exit(), Exit::Temporary);
    assert_eq!(running.await.unwrap().unwrap(), ["0001_slow"]);
    assert!(scalar::<bool>(&mut connection, "SELECT to_regclass('other') IS NULL").await);
}

/// Whether the process `pid` has asked for the lock last; it waits for none in PostgreSQL.
async fn asks_unblocked(observer: &mut PgConnection, pid: i32) -> bool {
    let (blocked, asks): (bool, bool) = sqlx::query_as(
        "SELECT coalesce(wait_event_type = 'Lock', false), query LIKE '%pg_try_advisory_lock%'
         FROM pg_stat_activity WHERE pid = $1",
    )
    .bind(pid)
    .fetch_one(observer)
    .await
    .unwrap();
    assert!(!blocked);
    asks
}

/// Waiting inside of PostgreSQL would hold a snapshot that a concurrent index build waits for.
#[tokio::test]
async fn i02_one_that_waits_for_the_lock_holds_no_transaction() {
    let (database, mut holder) = empty().await;
    sql(&mut holder, "SELECT pg_advisory_lock(1163022407, 1)").await;
    let mut waiter = connect(&database).await;
    let pid: i32 = scalar(&mut waiter, "SELECT pg_backend_pid()").await;
    let patient = Options {
        patience: Duration::from_secs(90),
        ..options()
    };
    let waiting =
        tokio::spawn(
            async move { run(&mut waiter, &[("0001_one.sql", "SELECT 1")], patient).await },
        );
    let limit = Instant::now() + Duration::from_secs(30);
    while !asks_unblocked(&mut holder, pid).await {
        assert!(Instant::now() < limit, "it never asked for the lock");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(800) {
        asks_unblocked(&mut holder, pid).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!waiting.is_finished());
    sql(&mut holder, "SELECT pg_advisory_unlock(1163022407, 1)").await;
    assert_eq!(waiting.await.unwrap().unwrap(), ["0001_one"]);
}

#[tokio::test]
async fn i02_the_lock_is_free_again_after_success_and_after_failure() {
    let (_database, mut connection) = empty().await;
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    run(&mut connection, &[("0001_one.sql", "SELECT 1")], options())
        .await
        .unwrap();
    assert_eq!(scalar::<i64>(&mut connection, held).await, 0);
    let files = [("0001_one.sql", "SELECT 1"), ("0002_two.sql", "SELECT 1/0")];
    run(&mut connection, &files, options()).await.unwrap_err();
    assert_eq!(scalar::<i64>(&mut connection, held).await, 0);
}

/// A client's lock is waited for so long and no longer; the same run succeeds when it is gone.
#[tokio::test]
async fn r19_2_a_lock_timeout_is_told_from_an_sql_error_and_retried_with_success() {
    let (database, mut connection) = empty().await;
    sql(&mut connection, "CREATE TABLE busy (id int)").await;
    let mut client = connect(&database).await;
    let mut reading = client.begin().await.unwrap();
    sql(&mut reading, "SELECT * FROM busy").await;
    let files = [(
        "0001_alter.sql",
        "CREATE TABLE first (id int); ALTER TABLE busy ADD COLUMN note text",
    )];
    let begun = Instant::now();
    let error = run(&mut connection, &files, options()).await.unwrap_err();
    assert!(begun.elapsed() >= options().lock_timeout);
    assert!(
        matches!(error, MigrateError::LockTimeout { .. }),
        "{error:?}"
    );
    let report = Report::new(vec![], Err(&error));
    assert_eq!(
        (error.exit(), report.outcome, report.retryable),
        (Exit::Temporary, Outcome::Unavailable, true)
    );
    assert_eq!(
        error.place().1,
        Some("ALTER TABLE busy ADD COLUMN note text")
    );
    assert!(scalar::<bool>(&mut connection, "SELECT to_regclass('first') IS NULL").await);
    reading.rollback().await.unwrap();
    assert_eq!(
        run(&mut connection, &files, options()).await.unwrap(),
        ["0001_alter"]
    );
}
