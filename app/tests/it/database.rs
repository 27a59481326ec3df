//! Failures of a real database, told apart (R3.4, P6), and times that survive it.

use std::sync::LazyLock;

use erpgo::db::DbTime;
use erpgo::error::{Code, DatabaseFailure, Error, classify, constraint};
use erpgo_test_kit::postgres;
use http::Method;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::log::LOG;
use crate::runtime::one_thread;
use crate::world::call_with;

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

async fn failure(connection: &mut PgConnection, sql: &'static str) -> sqlx::Error {
    sqlx::raw_sql(sql).execute(connection).await.unwrap_err()
}

#[tokio::test]
async fn p06_each_kind_of_failure_of_postgresql_has_its_class() {
    let database = postgres::database().await;
    let mut connection = connect(&database.url()).await;
    sqlx::raw_sql(
        "CREATE TABLE parent (id int PRIMARY KEY, n int NOT NULL CHECK (n > 0));
         CREATE TABLE child (id int REFERENCES parent (id));
         INSERT INTO parent VALUES (1, 1);",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    for (sql, name) in [
        ("INSERT INTO parent VALUES (1, 1)", Some("parent_pkey")),
        ("INSERT INTO parent VALUES (2, 0)", Some("parent_n_check")),
        ("INSERT INTO parent (id) VALUES (3)", None),
        ("INSERT INTO child VALUES (9)", Some("child_id_fkey")),
    ] {
        let error = failure(&mut connection, sql).await;
        assert_eq!(constraint(&error), name, "{sql}");
        assert_eq!(
            classify(&error),
            DatabaseFailure::Constraint(name.map(str::to_owned)),
            "{sql}"
        );
    }
    for sql in [
        "SELEC 1",
        "SELECT * FROM nothing",
        "SELECT 1/0",
        "SELECT 'x'::int",
    ] {
        assert_eq!(
            classify(&failure(&mut connection, sql).await),
            DatabaseFailure::Internal,
            "{sql}"
        );
    }
    let none = sqlx::query("SELECT 1 WHERE false")
        .fetch_one(&mut connection)
        .await
        .unwrap_err();
    assert_eq!(classify(&none), DatabaseFailure::NotFound);
}

#[tokio::test]
async fn p06_a_database_that_is_away_full_or_refuses_is_a_connection_failure() {
    let database = postgres::database().await;
    let refused = PgConnection::connect("postgres://u:p@127.0.0.1:1/x")
        .await
        .unwrap_err();
    assert_eq!(classify(&refused), DatabaseFailure::Connection);
    let denied = database.url().replacen("://", "://nobody_", 1);
    assert_eq!(
        classify(&PgConnection::connect(&denied).await.unwrap_err()),
        DatabaseFailure::Connection
    );
    let absent = format!("{}_absent", database.url());
    assert_eq!(
        classify(&PgConnection::connect(&absent).await.unwrap_err()),
        DatabaseFailure::Connection
    );
    // Ended by an administrator in the middle of its life.
    let mut victim = connect(&database.url()).await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut victim)
        .await
        .unwrap();
    let mut admin = connect(&database.admin_url()).await;
    sqlx::query("SELECT pg_terminate_backend($1)")
        .bind(pid)
        .execute(&mut admin)
        .await
        .unwrap();
    let ended = sqlx::query("SELECT 1")
        .execute(&mut victim)
        .await
        .unwrap_err();
    assert_eq!(classify(&ended), DatabaseFailure::Connection);
    assert_eq!(Error::database("x", ended).code(), Code::ServiceUnavailable);
}

#[test]
fn times_survive_the_database_to_the_microsecond() {
    let runtime = one_thread();
    let (database, connection) = runtime.block_on(async {
        let database = postgres::database().await;
        let connection = connect(&database.url()).await;
        (database, connection)
    });
    let connection = std::cell::RefCell::new(connection);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(100));
    runner
        .run(
            &(-62_000_000_000_000_000i64..250_000_000_000_000_000),
            |micros| {
                let at = DbTime(Timestamp::from_microsecond(micros).unwrap());
                let mut connection = connection.borrow_mut();
                let (back, stored): (DbTime, i64) = runtime.block_on(async {
                    sqlx::query_as(
                        "SELECT $1::timestamptz, (extract(epoch FROM $1::timestamptz) * 1000000)::bigint",
                    )
                    .bind(at)
                    .fetch_one(&mut *connection)
                    .await
                    .unwrap()
                });
                prop_assert_eq!(back, at);
                prop_assert_eq!(stored, micros);
                Ok(())
            },
        )
        .unwrap();
    drop(connection);
    runtime.block_on(async { drop(database) });
}

#[tokio::test]
async fn r06_1_every_foreign_key_has_an_index() {
    let database = crate::world::database().await;
    let mut connection = connect(&database.url()).await;
    let bare: Vec<String> = sqlx::query_scalar(
        "SELECT c.conrelid::regclass || '.' || c.conname FROM pg_constraint c
         WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
           AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid
                           AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(bare, Vec::<String>::new());
}

#[tokio::test]
async fn r06_5_an_exhausted_pool_is_a_503_and_counted_and_logged() {
    LazyLock::force(&LOG);
    let yaml = "database: { max_connections: 1, min_connections: 0, acquire_timeout: 1s }\nauth: { hash_memory_kib: 8, hash_iterations: 1 }\nlimits: { login_per_ip: 0 }";
    let world = crate::world::World::with(yaml, None).await;
    let before = erpgo::metrics::METRICS.pool_exhausted.get();
    let sign_in = async |id: &'static str| {
        let body = json!({"email": "a@b.org", "password": "x"});
        let route = (Method::POST, "/api/v1/auth/login");
        call_with(
            &world.router,
            route,
            "",
            &[("x-request-id", id)],
            Some(&body),
        )
        .await
    };
    let held = world.state.database.acquire().await.unwrap();
    let answer = sign_in("finds-the-pool-exhausted").await;
    answer.refused(503, "SERVICE_UNAVAILABLE");
    assert!(erpgo::metrics::METRICS.pool_exhausted.get() > before);
    drop(held);
    let answer = sign_in("finds-a-connection").await;
    answer.refused(401, "INVALID_CREDENTIALS");

    let logged = |id| {
        let mut lines = LOG.lines_with(id);
        lines.retain(|line| line["message"] == "the connection pool is exhausted");
        lines
    };
    let lines = logged("finds-the-pool-exhausted");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["level"], "WARN");
    let waited = lines[0]["wait_seconds"].as_f64().unwrap();
    assert!(waited >= 1.0, "{waited}");
    assert_eq!(logged("finds-a-connection").len(), 0);
}
