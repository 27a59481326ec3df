//! Deadlocks and serialization failures, provoked on PostgreSQL (R4.3, P8).

use std::sync::Arc;
use std::time::{Duration, Instant};

use erpgo::error::{Code, Error};
use erpgo::tx::{Contended, RETRY_AFTER, transaction};
use erpgo_test_kit::postgres::{self, TestDatabase};
use futures::FutureExt as _;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use serde_json::json;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::sync::{Mutex, Semaphore};

use super::{handle, work};
use crate::sql::sql;
use crate::world::World;

const CASES: usize = 100;
/// Cases that run side by side: most of their time they wait.
const AT_ONCE: usize = 12;

/// What one case saw.
#[derive(Debug, Default)]
struct Seen {
    begun: Vec<Instant>,
    failed: Vec<Instant>,
}

/// Connections whose transactions are never the ones that PostgreSQL gives up.
async fn adversaries(database: &TestDatabase) -> PgPool {
    PgPoolOptions::new()
        .max_connections(u32::try_from(AT_ONCE).unwrap())
        .acquire_timeout(Duration::from_secs(60))
        .after_connect(|connection, _| {
            async move {
                sqlx::raw_sql("SET deadlock_timeout = '60s'")
                    .execute(connection)
                    .await?;
                Ok(())
            }
            .boxed()
        })
        .connect(&database.admin_url())
        .await
        .unwrap()
}

async fn add(connection: &mut PgConnection, account: i32, amount: i32) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE accounts SET balance = balance + $2 WHERE id = $1")
        .bind(account)
        .bind(amount)
        .execute(connection)
        .await
        .map(drop)
}

/// Holds `second` and waits for `first`, which `victim` holds; ends when it got that too.
async fn provoke(
    adversaries: PgPool,
    victim: &mut PgConnection,
    first: i32,
    second: i32,
) -> tokio::task::JoinHandle<()> {
    let (tell, told) = tokio::sync::oneshot::channel::<i32>();
    let task = tokio::spawn(async move {
        let mut tx = adversaries.begin().await.unwrap();
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        add(&mut tx, second, 100).await.unwrap();
        tell.send(pid).unwrap();
        add(&mut tx, first, 100).await.unwrap();
        tx.rollback().await.unwrap();
    });
    let pid = told.await.unwrap();
    let limit = Instant::now() + Duration::from_secs(30);
    loop {
        let waits: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE pid = $1 AND NOT granted)",
        )
        .bind(pid)
        .fetch_one(&mut *victim)
        .await
        .unwrap();
        if waits {
            return task;
        }
        assert!(Instant::now() < limit, "the adversary never waits");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Moves one from `pair.0` to `pair.1` in a transaction whose first `deadlocks` tries end in one.
async fn transfer(
    database: erpgo::db::Database,
    adversaries: PgPool,
    pair: (i32, i32),
    deadlocks: usize,
) -> (Result<(), Error>, Seen) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let noted = Arc::clone(&seen);
    let work = work(move |connection| {
        let (noted, adversaries) = (Arc::clone(&noted), adversaries.clone());
        async move {
            let mut noted = noted.lock().await;
            noted.begun.push(Instant::now());
            let fail = |error| Error::database("move", error);
            add(connection, pair.0, -1).await.map_err(fail)?;
            let adversary = match noted.begun.len() <= deadlocks {
                true => Some(provoke(adversaries, connection, pair.0, pair.1).await),
                false => None,
            };
            let outcome = add(connection, pair.1, 1).await.map_err(fail);
            if outcome.is_err() {
                noted.failed.push(Instant::now());
            }
            if let (Some(adversary), Err(_)) = (adversary, &outcome) {
                // It gets the first row when this try is rolled back, which is after this.
                drop(adversary);
            }
            outcome
        }
        .boxed()
    });
    let outcome = transaction(&database, "transfer", work).await;
    let seen = std::mem::take(&mut *seen.lock().await);
    (outcome, seen)
}

/// r04_3: three retries after waits that double.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p08_a_deadlock_is_retried_three_times_and_then_fails() {
    let database = postgres::database().await;
    let mut admin = PgConnection::connect(&database.admin_url()).await.unwrap();
    sql(
        &mut admin,
        &format!(
            "ALTER DATABASE {} SET deadlock_timeout = '20ms'",
            database.name()
        ),
    )
    .await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    sql(
        &mut connection,
        &format!(
            "CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
             INSERT INTO accounts SELECT n, 0 FROM generate_series(0, {}) n",
            2 * CASES
        ),
    )
    .await;
    let mut runner = proptest::test_runner::TestRunner::default();
    let deadlocks = proptest::collection::vec(0usize..6, CASES)
        .new_tree(&mut runner)
        .unwrap()
        .current();
    let (pool, adversaries) = (handle(&database, 12), adversaries(&database).await);
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = tokio::task::JoinSet::new();
    for (case, deadlocks) in deadlocks.iter().copied().enumerate() {
        let (pool, adversaries, turns) = (pool.clone(), adversaries.clone(), Arc::clone(&turns));
        let first = i32::try_from(2 * case).unwrap();
        tasks.spawn(async move {
            let _turn = turns.acquire().await.unwrap();
            let (outcome, seen) = transfer(pool, adversaries, (first, first + 1), deadlocks).await;
            (first, deadlocks, outcome, seen)
        });
    }
    let mut waits: Vec<Duration> = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let (first, deadlocks, outcome, seen) = done.unwrap();
        let tries = (deadlocks + 1).min(RETRY_AFTER.len() + 1);
        assert_eq!(seen.begun.len(), tries, "{deadlocks}: {outcome:?}");
        for (n, failed) in seen.failed.iter().enumerate().take(tries - 1) {
            let waited = seen.begun[n + 1] - *failed;
            assert!(
                waited >= RETRY_AFTER[n].mul_f64(0.74),
                "try {n} after {waited:?}"
            );
            waits.push(waited);
        }
        let balances: Vec<i32> =
            sqlx::query_scalar("SELECT balance FROM accounts WHERE id IN ($1, $1 + 1) ORDER BY id")
                .bind(first)
                .fetch_all(&mut connection)
                .await
                .unwrap();
        if deadlocks <= RETRY_AFTER.len() {
            outcome.unwrap();
            assert_eq!(balances, [-1, 1]);
        } else {
            let error = outcome.unwrap_err();
            let Error::Unavailable { source, .. } = &error else {
                panic!("{error:?}")
            };
            assert_eq!(source.downcast_ref::<Contended>().unwrap().attempts, 4);
            assert!(
                erpgo_telemetry::chain(&error)
                    .to_string()
                    .contains("deadlock detected")
            );
            assert_eq!(balances, [0, 0]);
        }
    }
    assert!(waits.len() > CASES, "too few deadlocks: {}", waits.len());
}

#[tokio::test]
async fn p08_a_serialization_failure_is_retried_and_reads_anew() {
    let database = postgres::database().await;
    let pool = handle(&database, 2);
    let mut other = PgConnection::connect(&database.url()).await.unwrap();
    sql(&mut other, "CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL); INSERT INTO accounts VALUES (1, 10)").await;
    let other = Arc::new(Mutex::new((other, 0)));
    let rival = Arc::clone(&other);
    let work = work(move |connection| {
        let rival = Arc::clone(&rival);
        async move {
            let fail = |error| Error::database("count", error);
            sql(
                connection,
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            )
            .await;
            let balance: i32 = sqlx::query_scalar("SELECT balance FROM accounts")
                .fetch_one(&mut *connection)
                .await
                .map_err(fail)?;
            let mut rival = rival.lock().await;
            rival.1 += 1;
            if rival.1 <= 2 {
                add(&mut rival.0, 1, 5).await.unwrap();
            }
            sqlx::query("UPDATE accounts SET balance = $1")
                .bind(balance * 2)
                .execute(connection)
                .await
                .map_err(fail)?;
            Ok(())
        }
        .boxed()
    });
    transaction(&pool, "double", work).await.unwrap();
    let mut other = other.lock().await;
    let balance: i32 = sqlx::query_scalar("SELECT balance FROM accounts")
        .fetch_one(&mut other.0)
        .await
        .unwrap();
    assert_eq!(
        (balance, other.1),
        (40, 3),
        "twice the balance that the last try read"
    );
}

#[tokio::test]
async fn p08_a_constraint_is_no_conflict_and_is_not_retried() {
    let database = postgres::database().await;
    let pool = handle(&database, 2);
    let tries = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let work = work(move |connection| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move {
            let query =
                sqlx::raw_sql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (1)");
            query
                .execute(connection)
                .await
                .map(drop)
                .map_err(|error| Error::database("write", error))
        }
        .boxed()
    });
    transaction(&pool, "test", work).await.unwrap_err();
    assert_eq!(tries.load(std::sync::atomic::Ordering::Relaxed), 1);
}

/// A sequence counts tries, since no rollback takes its numbers back.
const OBSTACLE: &str = "
    CREATE SEQUENCE tries;
    CREATE FUNCTION obstacle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('tries') <= {conflicts} THEN
            RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER obstacle BEFORE INSERT ON products FOR EACH ROW EXECUTE FUNCTION obstacle();";

#[tokio::test]
async fn p08_a_client_sees_the_fourth_try_succeed_and_a_fifth_never_made() {
    for (conflicts, status) in [(3, 201), (4, 503)] {
        let database = crate::world::database().await;
        let mut connection = PgConnection::connect(&database.url()).await.unwrap();
        let obstacle = OBSTACLE.replace("{conflicts}", &conflicts.to_string());
        sql(&mut connection, &obstacle).await;
        let document = crate::world::document(&database.url(), None);
        let world = World::on(
            database,
            crate::world::set(document),
            crate::world::SETTINGS,
        )
        .await;
        let admin = world.admin().await;
        let body = json!({"sku": "A-1", "name": "Chair", "price": "1", "currency": "EUR"});
        let answer = world.post("/api/v1/products", &admin, body).await;
        if status == 503 {
            answer.refused(503, Code::ServiceUnavailable.as_str());
            assert!(answer.headers.contains_key("retry-after"));
        }
        assert_eq!(answer.status, status);
        let (tries, products): (i64, i64) =
            sqlx::query_as("SELECT last_value, (SELECT count(*) FROM products) FROM tries")
                .fetch_one(&mut connection)
                .await
                .unwrap();
        assert_eq!((tries, products), (4, i64::from(status == 201)));
    }
}
