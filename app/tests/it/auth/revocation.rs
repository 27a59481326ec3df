//! Sign-out and changes of roles on every process, with and without Redis (P12).

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use crate::commands::{ask, keys};
use crate::world::{ADMIN, SETTINGS, World, call, listening};

pub const WITHIN: Duration = Duration::from_secs(1);

/// Waits until the twin answers `status`, and says when the last check was asked that was answered otherwise:
/// how long an answer takes on a busy machine says nothing about how old it is.
pub async fn turns(router: &axum::Router, token: &str, status: u16) -> Duration {
    let begun = Instant::now();
    let mut last = Duration::ZERO;
    loop {
        let asked = begun.elapsed();
        let answer = call(router, Method::GET, "/api/v1/users", token, None).await;
        if answer.status == status {
            return last;
        }
        let limit = Duration::from_secs(10);
        assert!(asked < limit, "never {status}: {}", answer.text);
        last = asked;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn a_change_is_seen_by_the_twin(world: &World, router: &axum::Router) {
    let (id, token) = world.user("kim@example.org", &["users.read"]).await;
    let admin = world.admin().await;
    call(router, Method::GET, "/api/v1/users", &token, None)
        .await
        .expect(200);
    let roles = world
        .get("/api/v1/roles?limit=1000", &admin)
        .await
        .expect(200)
        .json();
    let role = roles["roles"]
        .as_array()
        .unwrap()
        .iter()
        .find(|role| role["name"] == "role of kim at example.org")
        .unwrap()["id"]
        .clone();
    let assignment = json!({"user_id": id, "role_id": role});

    world
        .post("/api/v1/roles/remove", &admin, assignment.clone())
        .await
        .expect(204);
    // On the process that made the change: the very next check.
    world
        .get("/api/v1/users", &token)
        .await
        .refused(403, "FORBIDDEN");
    assert!(turns(router, &token, 403).await < WITHIN);

    world
        .post("/api/v1/roles/assign", &admin, assignment)
        .await
        .expect(204);
    world.get("/api/v1/users", &token).await.expect(200);
    assert!(turns(router, &token, 200).await < WITHIN);

    world
        .post("/api/v1/auth/logout", &token, json!({}))
        .await
        .expect(204);
    assert!(turns(router, &token, 401).await < WITHIN);
}

/// r07_3: what is cached ends with the change that makes it wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p12_a_change_takes_hold_everywhere_within_a_second_by_pubsub() {
    let (_redis, world) = World::with_redis().await;
    let (state, router, _tasks) = world.twin(SETTINGS);
    listening(&state).await;
    a_change_is_seen_by_the_twin(&world, &router).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p12_a_change_takes_hold_everywhere_within_a_second_without_redis() {
    let world = World::new().await;
    let (_state, router, _tasks) = world.twin(SETTINGS);
    a_change_is_seen_by_the_twin(&world, &router).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r07_4_redis_goes_away_and_comes_back_and_no_request_fails() {
    let (mut redis, world) = World::with_redis().await;
    let token = world.admin().await;
    redis.stop();
    for _ in 0..20 {
        world.get("/api/v1/users", &token).await.expect(200);
        world.admin().await;
    }
    crate::world::until("redis is known to be away", || async {
        !world.state.redis.is_up()
    })
    .await;
    let ready = world.get("/health/ready", "").await.expect(200).json();
    assert_eq!(ready["status"], "degraded");
    redis.start();
    world.redis_is_listening().await;
    let ready = world.get("/health/ready", "").await.expect(200).json();
    assert_eq!(ready["status"], "healthy");
}

/// r07_1: for five minutes.
#[tokio::test]
async fn p11_permissions_are_served_from_redis_until_they_change() {
    let (redis, world) = World::with_redis().await;
    let (id, token) = world.user("kim@example.org", &["users.read"]).await;
    world.get("/api/v1/users", &token).await.expect(200);
    let keys = keys(&redis.url(), &format!("erpgo:permissions:{id}:*")).await;
    assert_eq!(keys.len(), 1, "{keys:?}");
    let (text, ttl) = read(&redis.url(), &keys[0]).await;
    assert_eq!(text, r#"["users.read"]"#);
    assert!((240..=300).contains(&ttl), "{ttl}");

    // Shown to be served from there: what is written there is what is allowed.
    let () = ask(&redis.url(), ["SET", &keys[0], "[]"]).await;
    world.state.sessions.forget_all();
    world
        .get("/api/v1/users", &token)
        .await
        .refused(403, "FORBIDDEN");

    // A change makes another key: the old entry cannot be read again.
    let admin = world.admin().await;
    let body = json!({"email": "kim@example.org", "first_name": "Kim", "last_name": "D", "is_active": true});
    world
        .put(&format!("/api/v1/users/{id}"), &admin, body)
        .await
        .expect(200);
    world.get("/api/v1/users", &token).await.expect(200);
}

/// Roles for ten minutes are what the seed asks for. In their stead no role is kept, only the permissions that
/// follow from it, and these for five minutes (ADR 0018); it changes for its holders with the very next check.
#[tokio::test]
async fn r07_2_no_role_is_kept_and_what_follows_from_one_is_for_five_minutes() {
    let (redis, world) = World::counting_with_redis().await;
    let (id, token) = world.user("kim@example.org", &["users.read"]).await;
    world.get("/api/v1/users", &token).await.expect(200);
    let admin = world.admin().await;
    let roles = world.get("/api/v1/roles", &admin).await.expect(200).json();
    let roles = roles["roles"].as_array().unwrap();
    let of_kim = |role: &&Value| role["name"] == "role of kim at example.org";
    let role = roles.iter().find(of_kim).unwrap()["id"].as_str().unwrap();
    let path = format!("/api/v1/roles/{role}");
    for path in [&path, &format!("/api/v1/users/{id}")] {
        world.get(path, &admin).await.expect(200);
    }
    let (kept, counts): (Vec<_>, Vec<_>) = keys(&redis.url(), "*")
        .await
        .into_iter()
        .partition(|key| key.starts_with("erpgo:permissions:"));
    // Those of the administrator and of Kim; whatever else there is counts tries.
    assert_eq!(kept.len(), 2, "{kept:?}");
    for key in kept {
        let (_, ttl) = read(&redis.url(), &key).await;
        assert!((240..=300).contains(&ttl), "{key} stays for {ttl} s");
    }
    for key in counts {
        let known = ["erpgo:login:", "erpgo:rate:"];
        assert!(known.iter().any(|known| key.starts_with(known)), "{key}");
    }
    let all = everything(&redis.url()).await;
    assert!(all.contains("users.read"), "{all}");
    assert!(!all.contains("role of kim") && !all.contains(role), "{all}");

    let narrowed = json!({"name": "narrow", "permissions": ["products.read"]});
    world.put(&path, &admin, narrowed).await.expect(200);
    world
        .get("/api/v1/users", &token)
        .await
        .refused(403, "FORBIDDEN");
}

/// Access and refresh token of an answer.
fn tokens(answer: &Value) -> [String; 2] {
    ["access_token", "refresh_token"].map(|name| answer[name].as_str().unwrap().to_owned())
}

/// What was given out before is worth nothing afterwards, unused or used, and Redis has never had it.
#[tokio::test]
async fn tokens_of_sessions_that_were_all_ended_are_refused_and_none_lies_in_redis() {
    let (redis, world) = World::with_redis().await;
    let (id, _) = world.user("kim@example.org", &["users.read"]).await;
    let unused = tokens(&world.signed_in("kim@example.org").await);
    let first = tokens(&world.signed_in("kim@example.org").await);
    let refreshed = tokens(&world.refresh(&first[1]).await.expect(200).json());
    for [access, _] in [&first, &refreshed] {
        world.get("/api/v1/users", access).await.expect(200);
    }
    let admin = tokens(&world.signed_in(ADMIN).await);
    let path = format!("/api/v1/users/{id}/sessions");
    world.delete(&path, &admin[0]).await.expect(204);
    for [access, _] in [&unused, &first, &refreshed] {
        let answer = world.get("/api/v1/users", access).await;
        answer.refused(401, "TOKEN_REVOKED");
    }
    for [_, refresh] in [&unused, &refreshed] {
        world.refresh(refresh).await.refused(401, "TOKEN_REVOKED");
    }
    world.get("/api/v1/users", &admin[0]).await.expect(200);
    let again = tokens(&world.signed_in("kim@example.org").await);
    world.get("/api/v1/users", &again[0]).await.expect(200);

    let kept = everything(&redis.url()).await;
    assert!(kept.contains(&format!("permissions:{id}")), "{kept}");
    for token in [unused, first, refreshed, admin, again].as_flattened() {
        for part in token.split('.') {
            assert!(part.len() > 16 && !kept.contains(part), "{part}: {kept}");
        }
    }
}

/// Every key with its value, whatever its type, as Redis would write them to a file.
async fn everything(url: &str) -> String {
    let () = ask(url, ["CONFIG", "SET", "rdbcompression", "no"]).await;
    let mut text = String::new();
    for key in keys(url, "*").await {
        let value: Vec<u8> = ask(url, ["DUMP", &key]).await;
        text += &format!("{key} {}\n", String::from_utf8_lossy(&value));
    }
    text
}

async fn read(url: &str, key: &str) -> (String, i64) {
    (ask(url, ["GET", key]).await, ask(url, ["TTL", key]).await)
}
