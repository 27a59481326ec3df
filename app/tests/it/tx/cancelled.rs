//! A request that is cut off rolls back at once and leaves no connection behind (R4.5).

use std::sync::LazyLock;
use std::time::Duration;

use erpgo::metrics::METRICS;
use erpgo_test_kit::postgres::TestDatabase;
use http::Method;
use proptest::prelude::*;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::locks::{locked, products_locked, waits_for_locks};
use crate::log::LOG;
use crate::runtime::one_thread;
use crate::sql::{scalar, sql};
use crate::world::{SETTINGS, World, call_with, shared, until};

const POOL: usize = 4;

/// The one number that `query` has, asked beside the pool.
async fn beside(database: &TestDatabase, query: &'static str) -> i64 {
    let mut connection = PgConnection::connect(&database.admin_url()).await.unwrap();
    let number = scalar(&mut connection, query).await;
    connection.close().await.unwrap();
    number
}

const IN_TRANSACTION: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'erpgo' AND (state LIKE 'idle in transaction%' OR state = 'active')";

/// As many connections as the pool has can be had at once, none of them in a transaction.
async fn pool_is_whole(world: &World) {
    until("no transaction is left", || async {
        beside(&world.database, IN_TRANSACTION).await == 0
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..POOL {
        held.push(world.state.database.acquire().await.unwrap());
    }
    assert_eq!(world.state.database.pool().size() as usize, POOL);
}

/// The lock on the products goes; none was written, and the pool is whole.
async fn none_is_written(world: &World, holder: &mut PgConnection) {
    sql(holder, "ROLLBACK").await;
    let count = "SELECT count(*) FROM products";
    assert_eq!(beside(&world.database, count).await, 0);
    pool_is_whole(world).await;
}

fn product(n: u64) -> serde_json::Value {
    json!({"sku": format!("S-{n}"), "name": "Chair", "price": "1", "currency": "EUR"})
}

#[tokio::test]
async fn r04_5_a_write_cut_off_in_mid_statement_ends_on_the_server_too() {
    let world = shared(World::new().await);
    let admin = world.admin().await;
    let mut holder = products_locked(&world.database).await;
    // More than the pool has: a leak of one connection each would stop the third round.
    for _ in 0..3 {
        let mut tasks = Vec::new();
        for n in 0..POOL {
            let (world, admin) = (world.clone(), admin.clone());
            let body = product(n as u64);
            tasks.push(tokio::spawn(async move {
                world.post("/api/v1/products", &admin, body).await
            }));
        }
        waits_for_locks(&world.database, POOL as i64).await;
        for task in &tasks {
            task.abort();
        }
        // The lock is still held: only the server's own check ends them.
        waits_for_locks(&world.database, 0).await;
    }
    none_is_written(&world, &mut holder).await;
    world
        .post("/api/v1/products", &admin, product(1))
        .await
        .expect(201);
}

#[tokio::test]
async fn r04_5_a_write_that_takes_too_long_is_answered_504_and_rolled_back() {
    let yaml = format!("{SETTINGS}\nhttp: {{ request_timeout: 5s }}");
    let world = World::with(&yaml, None).await;
    let admin = world.admin().await;
    let mut holder = products_locked(&world.database).await;
    let answer = world.post("/api/v1/products", &admin, product(1)).await;
    answer.refused(504, "REQUEST_TIMEOUT");
    waits_for_locks(&world.database, 0).await;
    none_is_written(&world, &mut holder).await;
}

/// Nobody reads its answer; it is to be seen all the same that it was there.
#[tokio::test]
async fn r03_3_and_r11_1_a_request_whose_client_hangs_up_is_logged_and_counted() {
    LazyLock::force(&LOG);
    let world = shared(World::new().await);
    let admin = world.admin().await;
    // No other test gives one of these up.
    let labels = ["PUT", "/api/v1/profile", "499"];
    let given_up = || METRICS.requests.with_label_values(&labels).get();
    let id = format!("given-up-{}", uuid::Uuid::new_v4().simple());
    let change = || {
        let (world, admin, id) = (world.clone(), admin.clone(), id.clone());
        async move {
            let headers = [("x-request-id", id.as_str())];
            let body = json!({"first_name": "Ann", "last_name": "Lee"});
            let place = (Method::PUT, "/api/v1/profile");
            call_with(&world.router, place, &admin, &headers, Some(&body)).await
        }
    };
    let told = |message: &str| {
        let mut lines = LOG.lines_with(&id);
        lines.retain(|line| line["message"] == message);
        lines
    };
    let mut holder = locked(&world.database, "users").await;
    let first = tokio::spawn(change());
    waits_for_locks(&world.database, 1).await;
    assert_eq!((given_up(), told("request given up").len()), (0, 0));
    first.abort();
    assert!(matches!(first.await, Err(ended) if ended.is_cancelled()));
    sql(&mut holder, "ROLLBACK").await;
    assert_eq!(given_up(), 1);
    let lines = told("request given up");
    let [line] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert!(line["duration_seconds"].as_f64().unwrap() > 0.0, "{line}");
    assert_eq!(told("request answered").len(), 0);
    // One that is answered is no such thing.
    change().await.expect(200);
    assert_eq!((given_up(), told("request answered").len()), (1, 1));
}

/// Cut off at any moment, a write has happened whole or not at all, and a repeat completes it.
#[test]
fn r04_5_and_p07_a_write_cut_off_at_any_moment_is_whole_or_absent() {
    let runtime = one_thread();
    let (world, admin) = runtime.block_on(async {
        let world = shared(World::new().await);
        let admin = world.admin().await;
        (world, admin)
    });
    let case = std::cell::Cell::new(0);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(120));
    runner
        .run(&(0u64..20_000), |micros| {
            case.set(case.get() + 1);
            let (n, world, admin) = (case.get(), world.clone(), admin.clone());
            runtime.block_on(async {
                let key = format!("key-{n}");
                let write = async || {
                    let headers = [("idempotency-key", key.as_str())];
                    let body = product(n);
                    let place = (Method::POST, "/api/v1/products");
                    call_with(&world.router, place, &admin, &headers, Some(&body)).await
                };
                let _ = tokio::time::timeout(Duration::from_micros(micros), write()).await;
                let found: Vec<i64> = sqlx::query_scalar(
                    "SELECT count(*) FROM products WHERE sku = $1 UNION ALL
                     SELECT count(*) FROM idempotency_keys WHERE key = $2",
                )
                .bind(format!("S-{n}"))
                .bind(&key)
                .fetch_all(&world.state.database.pool())
                .await
                .unwrap();
                assert!(
                    found == [0, 0] || found == [1, 1],
                    "{found:?} after {micros} µs"
                );
                let mut answer = write().await;
                // The transaction that was cut off may still hold the key for a moment.
                while answer.status == 409 && answer.code() == "IDEMPOTENCY_IN_FLIGHT" {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    answer = write().await;
                }
                answer.expect(201);
            });
            Ok(())
        })
        .unwrap();
    runtime.block_on(async {
        let wrong = beside(
            &world.database,
            "SELECT count(*) FROM products p FULL JOIN idempotency_keys k ON k.body::json->>'id' = p.id::text
             WHERE p.id IS NULL OR k.key IS NULL",
        )
        .await;
        assert_eq!(wrong, 0, "an effect without its answer, or an answer without its effect");
        pool_is_whole(&world).await;
        drop(world);
    });
}
