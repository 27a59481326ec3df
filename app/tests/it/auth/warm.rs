//! What a process that starts puts into Redis, so that no first request waits for PostgreSQL (R7.1, P12).

use erpgo_test_kit::postgres::TestDatabase;
use erpgo_test_kit::proxy;
use erpgo_test_kit::redis::{self, TestRedis};
use http::Method;
use serde_json::json;

use crate::commands::{ask, keys};
use crate::program::{LIMIT, Program, QUICK, administrator, start_with};
use crate::spans::Recorder;
use crate::sql::execute;
use crate::world::{ADMIN, PASSWORD, SETTINGS, World, call, listening, until};

const KIM: &str = "kim@example.org";
/// Starts of which one is quick enough, however busy the machine is.
const STARTS: usize = 20;

async fn empty(redis: &TestRedis) {
    let () = ask(&redis.url(), ["FLUSHALL"]).await;
}

async fn kept(redis: &TestRedis, user: &str) -> Vec<String> {
    keys(&redis.url(), &format!("erpgo:permissions:{user}:*")).await
}

/// How many were not in Redis before.
async fn warmed(world: &World) -> Option<u64> {
    world.state.sessions.warm().await.unwrap()
}

/// Whether the next request of `token` reads what its user may do from PostgreSQL.
async fn is_read(world: &World, token: &str) -> bool {
    world.state.sessions.forget_all();
    let recorder = Recorder::default();
    let _here = recorder.listen();
    world.get("/api/v1/users", token).await.expect(200);
    let queries = recorder.named("db.query");
    assert!(!queries.is_empty());
    queries
        .iter()
        .any(|query| query.fields.contains("users.permissions"))
}

#[tokio::test]
async fn r07_1_whoever_came_last_is_answered_from_redis_by_a_process_that_has_just_started() {
    let (redis, world) = World::counting_with_redis().await;
    let (kim, token) = world.user(KIM, &["users.read"]).await;
    empty(&redis).await;
    assert!(is_read(&world, &token).await);
    empty(&redis).await;
    // The administrator and Kim.
    assert_eq!(warmed(&world).await, Some(2));
    assert!(!is_read(&world, &token).await);
    let [key] = &kept(&redis, &kim).await[..] else {
        panic!("not one entry")
    };
    let text: String = ask(&redis.url(), ["GET", key]).await;
    assert_eq!(text, r#"["users.read"]"#);
    let ttl: i64 = ask(&redis.url(), ["TTL", key]).await;
    assert!((240..=300).contains(&ttl), "{ttl}");

    // What is there stays as it is, and ends when it would have ended.
    let () = ask(&redis.url(), ["SET", key, "[]", "EX", "100"]).await;
    assert_eq!(warmed(&world).await, Some(0));
    let text: String = ask(&redis.url(), ["GET", key]).await;
    let ttl: i64 = ask(&redis.url(), ["TTL", key]).await;
    assert_eq!(text, "[]");
    assert!(ttl <= 100, "{ttl}");
}

#[tokio::test]
async fn only_who_may_use_a_session_is_put_into_redis() {
    let (redis, world) = World::counting_with_redis().await;
    let (kim, token) = world.user(KIM, &["users.read"]).await;
    let (gone, left) = world.user("gone@example.org", &["users.read"]).await;
    let (barred, _) = world.user("barred@example.org", &["users.read"]).await;
    let (late, _) = world.user("late@example.org", &["users.read"]).await;
    for session in [&left, &token] {
        let path = "/api/v1/auth/logout";
        world.post(path, session, json!({})).await.expect(204);
    }
    // One of Kim's two has ended.
    world.signed_in(KIM).await;
    execute(
        &world,
        "UPDATE users SET is_active = false WHERE email = 'barred@example.org';
         UPDATE sessions SET expires_at = now() - interval '1 second'
         WHERE user_id = (SELECT id FROM users WHERE email = 'late@example.org')",
    )
    .await;
    empty(&redis).await;
    assert_eq!(warmed(&world).await, Some(2));
    assert_eq!(kept(&redis, &kim).await.len(), 1);
    for user in [gone, barred, late] {
        assert!(kept(&redis, &user).await.is_empty());
    }
}

/// However many there are: one statement, and the two hundred who came last.
#[tokio::test]
async fn as_many_as_two_hundred_are_put_into_redis_by_one_statement() {
    let (redis, world) = World::counting_with_redis().await;
    let (kim, _) = world.user(KIM, &["users.read"]).await;
    execute(
        &world,
        "INSERT INTO users (id, email, first_name, last_name, password_hash, pepper_kid, created_at, updated_at)
         SELECT gen_random_uuid(), n || '@crowd.example.org', '', '', '', '', now(), now()
         FROM generate_series(1, 300) n;
         INSERT INTO user_roles (user_id, role_id, assigned_at)
         SELECT u.id, r.id, now() FROM users u, roles r
         WHERE u.email LIKE '%@crowd.example.org' AND r.name = 'role of kim at example.org';
         INSERT INTO sessions (id, user_id, created_at, expires_at)
         SELECT gen_random_uuid(), id, now(),
                now() + interval '8 days' + split_part(email, '@', 1)::int * interval '1 second'
         FROM users WHERE email LIKE '%@crowd.example.org'",
    )
    .await;
    empty(&redis).await;
    let recorder = Recorder::default();
    {
        let _here = recorder.listen();
        assert_eq!(warmed(&world).await, Some(200));
    }
    assert_eq!(recorder.named("db.query").len(), 1);
    let calls = recorder.named("redis.command");
    assert!(calls.len() <= 4, "{calls:#?}");
    // Kim came before the crowd, of which the last two hundred are there.
    assert!(kept(&redis, &kim).await.is_empty());
    let pool = world.state.database.pool();
    for (number, there) in [(100, 0), (101, 1), (300, 1)] {
        let email = format!("{number}@crowd.example.org");
        let query = sqlx::query_scalar("SELECT id::text FROM users WHERE email = $1").bind(email);
        let user: String = query.fetch_one(&pool).await.unwrap();
        assert_eq!(kept(&redis, &user).await.len(), there, "{number}");
    }
}

/// P12: what was read before a change and comes to Redis after it is never served.
#[tokio::test]
async fn p12_a_role_that_changes_while_what_follows_from_it_is_on_its_way_is_not_served() {
    let (redis, world) = World::counting_with_redis().await;
    let way = proxy::tcp(redis.address()).await;
    let (state, router, _tasks) = world.twin_by(SETTINGS, Some(&way.url(&redis.url())));
    listening(&state).await;
    let (kim, token) = world.user(KIM, &["users.read"]).await;
    let admin = world.admin().await;
    let roles = world.get("/api/v1/roles", &admin).await.expect(200).json();
    let mut roles = roles["roles"].as_array().unwrap().iter();
    let role = roles.find(|role| role["name"] == "role of kim at example.org");
    let assignment = json!({"user_id": kim, "role_id": role.unwrap()["id"]});
    empty(&redis).await;

    way.pause();
    let recorder = Recorder::default();
    let here = recorder.listen();
    let warming = tokio::spawn({
        let state = state.clone();
        async move { state.sessions.warm().await }
    });
    until("what was read is on its way", || async {
        let calls = recorder.named("redis.command");
        calls.iter().any(|call| call.fields.contains("\"warm\""))
    })
    .await;
    drop(here);
    let path = "/api/v1/roles/remove";
    world.post(path, &admin, assignment).await.expect(204);
    way.resume();
    assert!(warming.await.unwrap().unwrap() >= Some(1));

    let [stale] = &kept(&redis, &kim).await[..] else {
        panic!("not one entry")
    };
    let text: String = ask(&redis.url(), ["GET", stale]).await;
    assert_eq!(text, r#"["users.read"]"#);
    for (state, router) in [(&world.state, &world.router), (&state, &router)] {
        state.sessions.forget_all();
        let answer = call(router, Method::GET, "/api/v1/users", &token, None).await;
        answer.refused(403, "FORBIDDEN");
    }
    assert_eq!(kept(&redis, &kim).await.len(), 2);
}

#[tokio::test]
async fn r07_4_nothing_is_read_for_a_redis_that_is_away_or_was_never_there() {
    let (mut redis, world) = World::with_redis().await;
    world.user(KIM, &["users.read"]).await;
    redis.stop();
    until("redis is known to be away", || async {
        !world.state.redis.is_up()
    })
    .await;
    for world in [world, World::new().await] {
        let recorder = Recorder::default();
        let _here = recorder.listen();
        assert_eq!(warmed(&world).await, None);
        assert!(recorder.named("db.query").is_empty());
    }
}

/// A start that has come to its end, and whether it says that Redis knows who came last.
async fn started(database: &TestDatabase, redis: &str) -> (Program, bool) {
    let mut program = start_with(&database.url(), QUICK, &[("REDIS_URL", redis)]);
    program.is_ready().await;
    let ready = program.process.wait_for_line("\"ready\"", LIMIT).await;
    ready.unwrap();
    let messages = program.messages();
    let mut texts = messages.iter().filter_map(|line| line["message"].as_str());
    let knows = texts.any(|text| text.starts_with("redis knows"));
    (program, knows)
}

#[tokio::test]
async fn a_fleet_that_starts_beside_an_empty_redis_fills_it_before_it_is_ready() {
    let database = crate::world::database().await;
    administrator(&database.url(), ADMIN, PASSWORD).await;
    let redis = redis::server().await;
    let (first, _) = started(&database, &redis.url()).await;
    // Nobody has come yet.
    assert!(kept(&redis, "*").await.is_empty());
    first.signed_in().await;
    for _ in 0..STARTS {
        empty(&redis).await;
        let (_next, knows) = started(&database, &redis.url()).await;
        if knows {
            assert_eq!(kept(&redis, "*").await.len(), 1);
            return;
        }
    }
    panic!("no start was quick enough");
}

/// One that is not there, and one that takes connections and says nothing.
#[tokio::test]
async fn r07_4_a_start_comes_to_its_end_without_redis() {
    let database = crate::world::database().await;
    let mut redis = redis::server().await;
    let url = redis.url();
    redis.pause();
    assert!(!started(&database, &url).await.1);
    redis.resume();
    redis.stop();
    let (program, knows) = started(&database, &url).await;
    assert!(!knows);
    // It was not waited for.
    let cold = |line: &serde_json::Value| line["message"].as_str().is_some_and(is_cold);
    assert!(!program.messages().iter().any(cold));
}

fn is_cold(message: &str) -> bool {
    message.starts_with("the cache stays cold")
}
