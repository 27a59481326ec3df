//! Reads of one row each that PostgreSQL answers together.

use std::sync::Arc;
use std::time::Duration;

use erpgo::db::gather::{Found, Gather};
use erpgo::error::{Code, Result};
use erpgo_test_kit::postgres::{self, TestDatabase};
use futures::future::{BoxFuture, join, join_all, join3};
use sqlx::{Connection as _, PgConnection, Row as _};

use crate::sql::sql;
use crate::tx::handle;
use crate::world::until;

/// So long a statement may take where none is meant to be cut off.
const PATIENT: Duration = Duration::from_secs(60);
/// A row that nobody can read.
const UNREADABLE: i64 = 90;
/// Its statement panics.
const PANICS: i64 = 666;
/// Statements wait as long as somebody has this lock, those for negative keys alone.
const GATE: &str = "SELECT pg_advisory_lock(1)";

type Things = Gather<i64, String>;

fn fetch<'c>(
    connection: &'c mut PgConnection,
    keys: &'c [i64],
) -> BoxFuture<'c, Result<Found<i64, String>, sqlx::Error>> {
    assert!(!keys.contains(&PANICS), "on purpose");
    Box::pin(async move {
        if keys.iter().any(|key| *key < 0) {
            let gate = "SELECT pg_advisory_lock_shared(1), pg_advisory_unlock_shared(1)";
            sqlx::query(gate).execute(&mut *connection).await?;
        }
        let told = sqlx::query("INSERT INTO statements VALUES ($1)").bind(keys);
        told.execute(&mut *connection).await?;
        let rows = sqlx::query("SELECT id, name FROM things WHERE id = ANY($1)").bind(keys);
        let rows = rows.fetch_all(connection).await?;
        let named = |row: &sqlx::postgres::PgRow| row.try_get("name").map_err(Arc::new);
        rows.iter()
            .map(|row| Ok((row.try_get("id")?, named(row))))
            .collect()
    })
}

/// A database of a hundred things and a connection of the test's own.
async fn ground() -> (TestDatabase, PgConnection) {
    let database = postgres::database().await;
    let mut own = PgConnection::connect(&database.url()).await.unwrap();
    let tables = format!(
        "CREATE TABLE statements (keys bigint[]);
         CREATE TABLE things (id bigint PRIMARY KEY, name text);
         INSERT INTO things SELECT n, 'thing ' || n FROM generate_series(-100, 100) n;
         UPDATE things SET name = NULL WHERE id = {UNREADABLE}"
    );
    sql(&mut own, &tables).await;
    (database, own)
}

fn things(database: &TestDatabase, connections: u32, deadline: Duration) -> Things {
    Gather::new(
        handle(database, connections),
        "read a thing",
        fetch,
        deadline,
    )
}

/// How many keys each statement was for.
async fn statements(own: &mut PgConnection) -> Vec<i32> {
    sqlx::query_scalar("SELECT cardinality(keys) FROM statements")
        .fetch_all(own)
        .await
        .unwrap()
}

/// Until so many statements wait at the gate.
async fn until_held(database: &TestDatabase, count: i64) {
    until("statements at the gate", || async {
        let mut admin = PgConnection::connect(&database.admin_url()).await.unwrap();
        let held: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(&mut admin)
        .await
        .unwrap();
        held == count
    })
    .await;
}

fn found(key: i64) -> Option<String> {
    (-100..=100).contains(&key).then(|| format!("thing {key}"))
}

#[tokio::test]
async fn reads_that_come_together_share_a_statement_and_each_gets_its_own_row() {
    let (database, mut own) = ground().await;
    let things = things(&database, 2, PATIENT);
    let alone = things.one(7).await.unwrap();
    assert_eq!(alone, found(7));
    assert_eq!(statements(&mut own).await, [1]);
    sql(&mut own, "TRUNCATE statements").await;

    // Some twice, and some that are not there.
    let keys: Vec<i64> = (20..80).chain(20..80).chain(95..125).collect();
    let rows = join_all(keys.iter().map(|key| things.one(*key))).await;
    for (key, row) in keys.iter().zip(rows) {
        assert_eq!(row.unwrap(), found(*key), "{key}");
    }
    let sizes = statements(&mut own).await;
    assert!(sizes.len() <= 4, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= 100), "{sizes:?}");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_fails_for_those_who_asked_for_it_and_a_statement_for_all() {
    let (database, mut own) = ground().await;
    let things = things(&database, 1, PATIENT);
    let (good, bad) = join(things.one(1), things.one(UNREADABLE)).await;
    assert_eq!(good.unwrap(), found(1));
    assert_eq!(bad.unwrap_err().code(), Code::InternalError);
    assert_eq!(statements(&mut own).await, [2]);

    sql(&mut own, "ALTER TABLE things RENAME TO others").await;
    for row in join_all((1..5).map(|key| things.one(key))).await {
        assert_eq!(row.unwrap_err().code(), Code::InternalError);
    }
    sql(&mut own, "ALTER TABLE others RENAME TO things").await;
    assert_eq!(things.one(1).await.unwrap(), found(1));
}

#[tokio::test]
async fn who_gives_up_takes_nobody_along() {
    let (database, mut own) = ground().await;
    let things = things(&database, 1, PATIENT);
    sql(&mut own, GATE).await;
    let mut gone = Box::pin(things.one(-1));
    assert!(futures::poll!(&mut gone).is_pending());
    let waiting = things.one(-2);
    let released = async {
        until_held(&database, 1).await;
        drop(gone);
        sql(&mut own, "SELECT pg_advisory_unlock(1)").await;
    };
    let (row, ()) = join(waiting, released).await;
    assert_eq!(row.unwrap(), found(-2));
}

#[tokio::test]
async fn statements_that_hang_hold_up_nobody_else_and_end_at_their_deadline() {
    let (database, mut own) = ground().await;
    let patient = things(&database, 4, PATIENT);
    sql(&mut own, GATE).await;
    let after_it = async {
        until_held(&database, 1).await;
        patient.one(-2).await
    };
    let meanwhile = async {
        until_held(&database, 2).await;
        assert_eq!(patient.one(5).await.unwrap(), found(5));

        let hasty = things(&database, 1, Duration::from_secs(3));
        let late = hasty.one(-3).await.unwrap_err();
        assert_eq!(late.code(), Code::ServiceUnavailable);
        assert_eq!(hasty.one(5).await.unwrap(), found(5));
        sql(&mut own, "SELECT pg_advisory_unlock(1)").await;
    };
    let (first, second, ()) = join3(patient.one(-1), after_it, meanwhile).await;
    assert_eq!(first.unwrap(), found(-1));
    assert_eq!(second.unwrap(), found(-2));
}

#[tokio::test]
async fn a_second_statement_begins_only_when_many_wait() {
    let (database, mut own) = ground().await;
    let things = things(&database, 4, PATIENT);
    sql(&mut own, GATE).await;
    let mut reads = Vec::new();
    for (most, held) in [(1, 1), (32, 1), (33, 2)] {
        while reads.len() < most {
            let key = -1 - i64::try_from(reads.len()).unwrap();
            let mut read = Box::pin(things.one(key));
            assert!(futures::poll!(&mut read).is_pending());
            reads.push(read);
        }
        until_held(&database, held).await;
    }
    sql(&mut own, "SELECT pg_advisory_unlock(1)").await;
    for (n, row) in (1..).zip(join_all(reads).await) {
        assert_eq!(row.unwrap(), found(-n));
    }
    let mut sizes = statements(&mut own).await;
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 32]);
}

#[tokio::test]
async fn no_more_than_may_wait_do() {
    let (database, _own) = ground().await;
    let things = things(&database, 1, PATIENT);
    let rows = join_all((0..700).map(|key| things.one(key % 50))).await;
    let (served, refused): (Vec<_>, Vec<_>) = rows.into_iter().partition(Result::is_ok);
    assert_eq!((served.len(), refused.len()), (512, 188));
    for error in refused {
        assert_eq!(error.unwrap_err().code(), Code::Overloaded);
    }
    assert_eq!(things.one(1).await.unwrap(), found(1));
}

#[tokio::test]
async fn a_panic_is_an_error_and_leaves_room_for_others() {
    let (database, _own) = ground().await;
    let things = things(&database, 4, PATIENT);
    for _ in 0..3 {
        let error = things.one(PANICS).await.unwrap_err();
        assert_eq!(error.code(), Code::InternalError);
    }
    assert_eq!(things.one(1).await.unwrap(), found(1));
}
