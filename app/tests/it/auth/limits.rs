//! P9 and P10, counted by Redis and by the process alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use erpgo_test_kit::redis;
use http::{HeaderName, HeaderValue, Request, header};
use serde_json::{Value, json};

use crate::world::{ADMIN, Answer, PASSWORD, SETTINGS, World, send, shared, until};

async fn from(world: &World, forwarded: &str, email: &str, password: &str) -> Answer {
    sent(&world.router, forwarded, email, password).await
}

async fn sent(router: &Router, forwarded: &str, email: &str, password: &str) -> Answer {
    let request = Request::post("/api/v1/auth/login")
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-forwarded-for", forwarded)
        .body(Body::from(
            json!({"email": email, "password": password}).to_string(),
        ))
        .unwrap();
    send(router, request).await
}

fn limited() -> String {
    format!(
        "{}\nhttp: {{ trusted_proxies: [127.0.0.1] }}",
        SETTINGS.replace("login_per_ip: 0", "login_per_ip: 5, lockout_failures: 1000")
    )
}

async fn sixth_is_refused(world: &World) {
    for round in 0..3 {
        let ip = format!("192.0.2.{round}");
        for _ in 0..5 {
            from(world, &ip, ADMIN, PASSWORD).await.expect(200);
        }
        let sixth = from(world, &ip, ADMIN, PASSWORD).await;
        sixth.refused(429, "RATE_LIMIT_EXCEEDED");
        let wait: u64 = sixth.headers["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=900).contains(&wait), "{wait}");
    }
}

#[tokio::test]
async fn p09_the_sixth_login_of_an_address_is_refused_without_redis() {
    sixth_is_refused(&World::with(&limited(), None).await).await;
}

/// r05_1: five an address in 15 minutes.
#[tokio::test]
async fn p09_the_sixth_login_of_an_address_is_refused_by_redis_across_processes() {
    let redis = redis::server().await;
    let world = World::counting(&limited(), &redis.url()).await;
    world.redis_is_listening().await;
    sixth_is_refused(&world).await;
    // Another process counts along.
    let (state, router, _tasks) = world.twin(&limited());
    crate::world::listening(&state).await;
    sent(&router, "192.0.2.0", ADMIN, PASSWORD)
        .await
        .refused(429, "RATE_LIMIT_EXCEEDED");
}

/// Twin of that of the locks.
#[tokio::test]
async fn p09_a_share_that_is_had_outlives_the_redis_that_counted_it() {
    let mut redis = redis::server().await;
    let world = World::counting(&limited(), &redis.url()).await;
    world.redis_is_listening().await;
    sixth_is_refused(&world).await;
    redis.stop();
    for address in ["192.0.2.0", "192.0.2.2"] {
        from(&world, address, ADMIN, PASSWORD)
            .await
            .refused(429, "RATE_LIMIT_EXCEEDED");
    }
    // Nobody else has had any of it.
    from(&world, "192.0.2.3", ADMIN, PASSWORD).await.expect(200);
}

/// What Redis refuses for what other processes have let in is no use of one's own share.
#[tokio::test]
async fn p09_a_process_goes_on_from_what_it_has_let_in_itself() {
    let mut redis = redis::server().await;
    let world = World::counting(&limited(), &redis.url()).await;
    world.redis_is_listening().await;
    let (state, twin, _tasks) = world.twin(&limited());
    crate::world::listening(&state).await;
    sent(&twin, "192.0.2.1", ADMIN, PASSWORD).await.expect(200);
    for _ in 0..4 {
        from(&world, "192.0.2.1", ADMIN, PASSWORD).await.expect(200);
    }
    for _ in 0..7 {
        sent(&twin, "192.0.2.1", ADMIN, PASSWORD)
            .await
            .refused(429, "RATE_LIMIT_EXCEEDED");
    }
    redis.stop();
    for _ in 0..4 {
        sent(&twin, "192.0.2.1", ADMIN, PASSWORD).await.expect(200);
    }
    sent(&twin, "192.0.2.1", ADMIN, PASSWORD)
        .await
        .refused(429, "RATE_LIMIT_EXCEEDED");
}

#[tokio::test]
async fn p09_an_address_that_the_client_wrote_itself_is_not_believed() {
    let yaml = limited().replace("trusted_proxies: [127.0.0.1]", "trusted_proxies: []");
    let world = World::with(&yaml, None).await;
    for n in 0..5 {
        from(&world, &format!("192.0.2.{n}"), ADMIN, PASSWORD)
            .await
            .expect(200);
    }
    from(&world, "192.0.2.77", ADMIN, PASSWORD)
        .await
        .refused(429, "RATE_LIMIT_EXCEEDED");

    let world = World::with(&limited(), None).await;
    for n in 0..5 {
        from(&world, &format!("10.9.8.{n}, 192.0.2.1"), ADMIN, PASSWORD)
            .await
            .expect(200);
    }
    from(&world, "10.9.8.77, 192.0.2.1", ADMIN, PASSWORD)
        .await
        .refused(429, "RATE_LIMIT_EXCEEDED");
}

// What differs between two requests by nature, and nothing else.
fn uniform(answer: &Answer) -> Value {
    let mut body = answer.json();
    for name in ["request_id", "trace_id", "unlock_at"] {
        assert!(body[name].is_string(), "{name} is missing: {body}");
        body[name] = Value::Null;
    }
    body
}

/// The headers in order, without the values that differ between two requests by nature.
fn heads(answer: &Answer) -> Vec<(String, String)> {
    let head = |(name, value): (&HeaderName, &HeaderValue)| {
        let differs = ["x-request-id", "ratelimit", "content-length"].contains(&name.as_str());
        let value = if differs { "" } else { value.to_str().unwrap() };
        (name.to_string(), value.to_owned())
    };
    let mut heads: Vec<_> = answer.headers.iter().map(head).collect();
    heads.sort();
    heads
}

async fn lockout(world: &World) {
    let wrong = world.login(ADMIN, "wrong horse battery staple").await;
    wrong.refused(401, "INVALID_CREDENTIALS");
    let unknown = world.login("nobody@example.org", PASSWORD).await;
    for _ in 0..4 {
        world
            .login(ADMIN, "wrong horse battery staple")
            .await
            .refused(401, "INVALID_CREDENTIALS");
        world
            .login("nobody@example.org", PASSWORD)
            .await
            .refused(401, "INVALID_CREDENTIALS");
    }
    // The sixth, with the right password.
    let locked = world.login(ADMIN, PASSWORD).await;
    locked.refused(401, "INVALID_CREDENTIALS");
    let unknown_locked = world.login("nobody@example.org", PASSWORD).await;
    for other in [&unknown, &locked, &unknown_locked] {
        assert_eq!(uniform(&wrong), uniform(other));
        assert_eq!(heads(&wrong), heads(other));
    }
    let opens: jiff::Timestamp = locked.json()["unlock_at"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let left = (opens - jiff::Timestamp::now()).get_seconds();
    assert!((880..=900).contains(&left), "{left}");
}

/// r05_3: whoever is locked out is told when that ends.
#[tokio::test]
async fn p10_five_failures_lock_whatever_the_password_without_redis() {
    lockout(&World::new().await).await;
}

/// r05_2: five failures lock for 15 minutes.
#[tokio::test]
async fn p10_five_failures_lock_whatever_the_password_by_redis() {
    let (_redis, world) = World::counting_with_redis().await;
    lockout(&world).await;
    let (state, router, _tasks) = world.twin(SETTINGS);
    crate::world::listening(&state).await;
    let body = json!({"email": ADMIN, "password": PASSWORD});
    crate::world::call(
        &router,
        http::Method::POST,
        "/api/v1/auth/login",
        "",
        Some(body),
    )
    .await
    .refused(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn p10_a_lock_outlives_the_redis_that_counted_it() {
    let (mut redis, world) = World::counting_with_redis().await;
    lockout(&world).await;
    redis.stop();
    world
        .login(ADMIN, PASSWORD)
        .await
        .refused(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn p10_a_success_before_the_fifth_failure_begins_the_count_anew() {
    let world = World::new().await;
    for _ in 0..3 {
        for _ in 0..4 {
            world
                .login(ADMIN, "wrong horse battery staple")
                .await
                .refused(401, "INVALID_CREDENTIALS");
        }
        world.login(ADMIN, PASSWORD).await.expect(200);
    }
}

/// PostgreSQL finds the same person, and the counter of failures counts another name.
#[tokio::test]
async fn p10_a_name_in_letters_that_are_counted_apart_signs_nobody_in() {
    let world = World::new().await;
    let other = ADMIN.replace('i', "\u{130}");
    let found = "SELECT EXISTS (SELECT 1 FROM users WHERE lower(email) = lower($1))";
    let found: bool = sqlx::query_scalar(found)
        .bind(&other)
        .fetch_one(&world.state.database.pool())
        .await
        .unwrap();
    assert!(
        found,
        "PostgreSQL keeps these letters apart: nothing is shown"
    );
    let answer = world.login(&other, PASSWORD).await;
    answer.refused(401, "INVALID_CREDENTIALS");
    // Letters that both fold alike are one name, and one count.
    for _ in 0..5 {
        let answer = world.login(&ADMIN.to_uppercase(), "wrong").await;
        answer.refused(401, "INVALID_CREDENTIALS");
    }
    for name in [ADMIN, &other] {
        let answer = world.login(name, PASSWORD).await;
        answer.refused(401, "INVALID_CREDENTIALS");
    }
    let world = World::new().await;
    for name in [ADMIN, &ADMIN.to_uppercase()] {
        world.login(name, PASSWORD).await.expect(200);
    }
}

#[tokio::test]
async fn p10_the_lock_opens_when_its_time_is_over() {
    let yaml = SETTINGS.replace("login_per_ip: 0", "login_per_ip: 0, lockout_duration: 15s");
    let world = World::with(&yaml, None).await;
    for _ in 0..5 {
        world
            .login(ADMIN, "wrong horse battery staple")
            .await
            .refused(401, "INVALID_CREDENTIALS");
    }
    world
        .login(ADMIN, PASSWORD)
        .await
        .refused(401, "INVALID_CREDENTIALS");
    crate::world::until("the lock opens", || async {
        world.login(ADMIN, PASSWORD).await.status == 200
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_parallel_guesses_do_not_get_more_tries() {
    let world = crate::world::shared(World::new().await);
    let guesses: Vec<_> = (0..12)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move {
                world
                    .login(ADMIN, "wrong horse battery staple")
                    .await
                    .status
            })
        })
        .collect();
    for guess in guesses {
        assert_eq!(guess.await.unwrap(), 401);
    }
    world
        .login(ADMIN, PASSWORD)
        .await
        .refused(401, "INVALID_CREDENTIALS");
}

/// Clients that sign in one time after the other until it is over.
#[derive(Default)]
struct Storm {
    over: AtomicBool,
    let_in: AtomicUsize,
    shed: AtomicUsize,
}

impl Storm {
    async fn client(&self, world: &World) {
        while !self.over.load(Ordering::Relaxed) {
            let answer = world.login(ADMIN, PASSWORD).await;
            if answer.status == 503 {
                answer.refused(503, "OVERLOADED");
                assert_eq!(answer.headers["retry-after"], "1");
                self.shed.fetch_add(1, Ordering::Relaxed);
                // As a client would, though sooner than it was told.
                tokio::time::sleep(Duration::from_millis(50)).await;
            } else {
                assert_eq!(answer.status, 200, "{}", answer.text);
                self.let_in.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Waits until another is shed.
    async fn sheds(&self) {
        let before = self.shed.load(Ordering::Relaxed);
        until("another is shed", || async {
            self.shed.load(Ordering::Relaxed) > before
        })
        .await;
    }
}

/// It ends after the others are answered and not before: whoever had to wait for it would wait for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_sign_ins_is_shed_and_leaves_other_requests_alone() {
    let yaml = "
auth: { hash_memory_kib: 65536, hash_iterations: 4, hash_concurrency: 1, hash_queue: 1, hash_deadline: 1s }
limits: { login_per_ip: 0, lockout_failures: 1000 }
";
    let world = shared(World::with(yaml, None).await);
    // Not the storm's user, whose oldest sessions end.
    let (_, token) = world.user("kim@example.org", &[]).await;
    let storm = Arc::new(Storm::default());
    let clients: Vec<_> = (0..10)
        .map(|_| {
            let (world, storm) = (world.clone(), storm.clone());
            tokio::spawn(async move { storm.client(&world).await })
        })
        .collect();
    storm.sheds().await;
    for _ in 0..5 {
        let profile = world.get("/api/v1/profile", &token);
        let answered = tokio::time::timeout(Duration::from_secs(60), profile).await;
        answered.expect("it waits for the storm").expect(200);
    }
    storm.sheds().await;
    until("some are let in", || async {
        storm.let_in.load(Ordering::Relaxed) > 0
    })
    .await;
    storm.over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
}
