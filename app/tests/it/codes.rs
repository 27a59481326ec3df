//! Every error code there is gets documented and provoked, and no other (R3.5, R13.4, P5).

use std::collections::BTreeSet;

use erpgo::error::Code;
use erpgo::shutdown::Phase;
use http::{Method, Request, header};
use serde_json::{Value, json};

use crate::locks::{a_key_is_held, products_locked};
use crate::world::{ADMIN, Answer, SETTINGS, World, call_with, send, shared};

/// The codes that the answers of some operation are said to carry.
fn documented() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for (_, _, operation) in crate::openapi::operations() {
        for response in operation["responses"].as_object().unwrap().values() {
            let text = response["description"].as_str().unwrap_or_default();
            let quoted = text.split('`').skip(1).step_by(2);
            codes.extend(
                quoted
                    .filter(|word| word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
                    .map(str::to_owned),
            );
        }
    }
    codes
}

/// Asserts that each code in `these` is in `those`.
fn within(these: &BTreeSet<String>, those: &BTreeSet<String>, but: &str) {
    let left: Vec<_> = these.difference(those).collect();
    assert!(left.is_empty(), "{left:?}: {but}");
}

/// Collects the codes of answers.
#[derive(Default)]
struct Provoked(BTreeSet<String>);

impl Provoked {
    fn by(&mut self, answer: &Answer) {
        assert!(answer.status.as_u16() >= 400, "{}", answer.text);
        self.0.insert(answer.code());
    }
}

const PRODUCTS: &str = "/api/v1/products";

fn product(sku: &str) -> Value {
    json!({"sku": sku, "name": "Chair", "price": "1", "currency": "EUR"})
}

async fn raw(world: &World, token: &str, kind: &str, body: Vec<u8>) -> Answer {
    let request = Request::post(PRODUCTS)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, kind);
    send(&world.router, request.body(body.into()).unwrap()).await
}

async fn of_tokens(world: &World, provoked: &mut Provoked) {
    let expired = crate::matrix::expired(world).await;
    provoked.by(&world.get(PRODUCTS, "").await);
    provoked.by(&world.get(PRODUCTS, "nonsense").await);
    provoked.by(&world.get(PRODUCTS, &expired).await);
    let token = world.admin().await;
    world
        .post("/api/v1/auth/logout", &token, json!({}))
        .await
        .expect(204);
    provoked.by(&world.get(PRODUCTS, &token).await);
    // The grandparent of a refresh token in use.
    let first = world.signed_in(ADMIN).await["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let second = world.refresh(&first).await.expect(200).json()["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    world.refresh(&second).await.expect(200);
    provoked.by(&world.refresh(&first).await);
    provoked.by(&world.login(ADMIN, "wrong").await);
    let (_, nobody) = world.user("nobody@example.org", &[]).await;
    provoked.by(&world.get(PRODUCTS, &nobody).await);
    let admin = world.admin().await;
    let (_, key) = crate::api_keys::key(world, &admin, &["users.read"]).await;
    provoked.by(&world.get(PRODUCTS, &key).await);
}

async fn of_input(world: &World, admin: &str, provoked: &mut Provoked) {
    provoked.by(&raw(world, admin, "application/json", b"{".to_vec()).await);
    provoked.by(&raw(world, admin, "application/json", b"{}".to_vec()).await);
    provoked.by(&raw(world, admin, "text/plain", b"{}".to_vec()).await);
    provoked.by(&raw(world, admin, "application/json", vec![b' '; 1_048_577]).await);
    provoked.by(&world.call(Method::PATCH, PRODUCTS, admin, None).await);
}

async fn of_state(world: &World, admin: &str, provoked: &mut Provoked) {
    let made = world.post(PRODUCTS, admin, product("A")).await.expect(201);
    let path = made.headers["location"].to_str().unwrap();
    provoked.by(&world.post(PRODUCTS, admin, product("A")).await);
    provoked.by(&world.delete(path, admin).await);
    let stale = [("if-match", "\"v9\"")];
    provoked.by(&call_with(&world.router, (Method::DELETE, path), admin, &stale, None).await);
    let absent = format!("{PRODUCTS}/{}", uuid::Uuid::now_v7());
    provoked.by(&world.get(&absent, admin).await);
    let kim = json!({"email": "kim@example.org", "first_name": "K", "last_name": "D", "password": crate::world::PASSWORD});
    world
        .post("/api/v1/users", admin, kim.clone())
        .await
        .expect(201);
    provoked.by(&world.post("/api/v1/users", admin, kim).await);
    let role = json!({"name": "Packer", "permissions": []});
    world
        .post("/api/v1/roles", admin, role.clone())
        .await
        .expect(201);
    provoked.by(&world.post("/api/v1/roles", admin, role).await);
    let own = world.signed_in(ADMIN).await["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    provoked.by(&world.delete(&format!("/api/v1/users/{own}"), admin).await);
    let refers = "CREATE TABLE sold (product uuid REFERENCES products (id)); INSERT INTO sold SELECT id FROM products";
    sqlx::raw_sql(refers)
        .execute(&world.state.database.pool())
        .await
        .unwrap();
    let any = [("if-match", "*")];
    provoked.by(&call_with(&world.router, (Method::DELETE, path), admin, &any, None).await);
    let key = [("idempotency-key", "k")];
    call_with(
        &world.router,
        (Method::POST, PRODUCTS),
        admin,
        &key,
        Some(&product("B")),
    )
    .await
    .expect(201);
    provoked.by(&call_with(
        &world.router,
        (Method::POST, PRODUCTS),
        admin,
        &key,
        Some(&product("C")),
    )
    .await);
}

/// While `products` is locked, a write waits until its time is over, and its key is taken.
async fn of_waiting(provoked: &mut Provoked) {
    let yaml = format!("{SETTINGS}\nhttp: {{ request_timeout: 5s }}");
    let world = shared(World::with(&yaml, None).await);
    let admin = world.admin().await;
    let _holder = products_locked(&world.database).await;
    let write = |world: std::sync::Arc<World>, admin: String| async move {
        let key = [("idempotency-key", "k")];
        call_with(
            &world.router,
            (Method::POST, PRODUCTS),
            &admin,
            &key,
            Some(&product("A")),
        )
        .await
    };
    let first = tokio::spawn(write(world.clone(), admin.clone()));
    a_key_is_held(&world).await;
    provoked.by(&write(world.clone(), admin.clone()).await);
    provoked.by(&first.await.unwrap());
}

async fn of_our_own_faults(provoked: &mut Provoked) {
    let world = World::new().await;
    let admin = world.admin().await;
    sqlx::raw_sql("ALTER TABLE products RENAME TO gone")
        .execute(&world.state.database.pool())
        .await
        .unwrap();
    provoked.by(&world.get(PRODUCTS, &admin).await);
    let closed = World::new().await;
    closed.state.database.pool().close().await;
    provoked.by(&closed.login(ADMIN, "x").await);
    assert_eq!(closed.state.lifecycle.phase(), Phase::Serving);
}

async fn of_too_many(provoked: &mut Provoked) {
    let world = World::with(
        &SETTINGS.replace("login_per_ip: 0", "login_per_ip: 1"),
        None,
    )
    .await;
    world.login(ADMIN, "wrong").await;
    provoked.by(&world.login(ADMIN, "wrong").await);
    let costly = "auth: { hash_memory_kib: 65536, hash_iterations: 4, hash_concurrency: 1, hash_queue: 0 }\n\
                  limits: { login_per_ip: 0, lockout_failures: 1000 }";
    let world = shared(World::with(costly, None).await);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let world = world.clone();
        tasks.spawn(async move { world.login(ADMIN, "wrong").await });
    }
    for answer in tasks.join_all().await {
        provoked.by(&answer);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p05_and_r13_4_every_documented_code_is_provoked_by_a_request() {
    let mut provoked = Provoked::default();
    let world = World::new().await;
    of_tokens(&world, &mut provoked).await;
    let admin = world.admin().await;
    of_input(&world, &admin, &mut provoked).await;
    of_state(&world, &admin, &mut provoked).await;
    of_waiting(&mut provoked).await;
    of_our_own_faults(&mut provoked).await;
    of_too_many(&mut provoked).await;
    let all = Code::ALL.iter().map(|code| code.as_str().to_owned());
    let all: BTreeSet<_> = all.collect();
    within(&all, &provoked.0, "there, and no request here provokes it");
    within(&provoked.0, &all, "provoked, and not there");
    within(&all, &documented(), "there, and no operation documents it");
    within(&documented(), &all, "documented, and not there");
}
