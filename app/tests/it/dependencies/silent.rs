//! A PostgreSQL that accepts connections and says nothing.

use erpgo_test_kit::proxy;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use super::calls::{Calls, timed};
use super::health;
use crate::locks::waits_for_locks;
use crate::sql::sql;
use crate::world::{ADMIN, PASSWORD, World, refresh_token, shared, until};

/// One connection, so that whoever has it makes the others wait. The second time is so much longer than the first
/// that a slow machine does not make the one the other.
const YAML: &str = "
auth: { hash_memory_kib: 8, hash_iterations: 1 }
limits: { login_per_ip: 0 }
database: { max_connections: 1, acquire_timeout: 1s }
http: { request_timeout: 10s }
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r08_2_a_silent_postgresql_costs_a_request_its_time_and_who_waits_the_acquire_timeout() {
    let database = crate::world::database().await;
    let way = proxy::tcp(database.address()).await;
    let set = crate::world::set(crate::world::document(&way.url(&database.url()), None));
    let world = shared(World::on(database, set, YAML).await);
    let token = world.admin().await;
    let renewal = refresh_token(&world.signed_in(ADMIN).await);
    let settings = &world.state.settings;
    let acquire = settings.database.acquire_timeout;
    let request = settings.http.request_timeout;
    let mut holder = PgConnection::connect(&world.database.url()).await.unwrap();
    sql(&mut holder, "BEGIN; LOCK TABLE products IN EXCLUSIVE MODE").await;
    let write = {
        let (world, token) = (world.clone(), token.clone());
        move || {
            let body = json!({"sku": "S-1", "name": "Chair", "price": "1", "currency": "EUR"});
            let (world, token) = (world.clone(), token.clone());
            async move { world.post("/api/v1/products", &token, body).await }
        }
    };
    let under_way = tokio::spawn(timed(write()));
    waits_for_locks(&world.database, 1).await;
    // Its statement ends now, and it never learns.
    way.pause();
    sql(&mut holder, "COMMIT").await;

    let calls = Calls {
        world: &world,
        token: &token,
    };
    let least = calls.all_are_refused(&renewal).await;
    assert!(least >= acquire, "{least:?}");
    assert_eq!(health(&world, "/health/ready").await.0, 503);
    assert_eq!(health(&world, "/health/live").await.0, 200);
    let (cut_off, took) = under_way.await.unwrap();
    cut_off.refused(504, "REQUEST_TIMEOUT");
    assert!((request..request * 3).contains(&took), "{took:?}");
    // Its connection is gone, and no other is to be had.
    let (sign_in, took) = timed(world.login(ADMIN, PASSWORD)).await;
    sign_in.refused(503, "SERVICE_UNAVAILABLE");
    assert!((acquire..request).contains(&took), "{took:?}");

    way.resume();
    until("the database is back", || async {
        health(&world, "/health/ready").await.0 == 200
    })
    .await;
    // It was rolled back, as it was told, however long the server's end of it stays.
    until("the same is made", || async { write().await.status == 201 }).await;
    world.get("/api/v1/products", &token).await.expect(200);
}
