//! When an API key ends: on time, by a revocation, with its owner; and what never was one.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::key;
use crate::auth::revocation::{WITHIN, turns};
use crate::world::{ADMIN, PASSWORD, SETTINGS, World, call, listening, until};

#[tokio::test]
async fn a_key_that_was_never_issued_has_expired_or_is_mangled_is_refused() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (_, text) = key(&world, &admin, &["users.read"]).await;
    let (_, other) = key(&world, &admin, &["users.read"]).await;
    // The handle of one and the rest of another: the checksum would have to be mended, too.
    let crossed = format!("{}{}", &text[..16], &other[16..]);
    for bad in [
        &text[..text.len() - 1],
        &text.to_lowercase(),
        "erp_",
        "erp_x",
        &crossed,
    ] {
        let answer = world.get("/api/v1/users", bad).await;
        answer.refused(401, "TOKEN_INVALID");
        assert_eq!(
            answer.headers["www-authenticate"],
            "Bearer error=\"invalid_token\""
        );
    }
    // Well-formed, right handle, another hash in the database: as good as unknown.
    sqlx::query("UPDATE api_keys SET key_hash = sha256('x') WHERE handle = $1")
        .bind(&text[4..16])
        .execute(&world.state.database.pool())
        .await
        .unwrap();
    world
        .get("/api/v1/users", &text)
        .await
        .refused(401, "TOKEN_INVALID");
    sqlx::query("UPDATE api_keys SET expires_at = now() - interval '1 second'")
        .execute(&world.state.database.pool())
        .await
        .unwrap();
    world
        .get("/api/v1/users", &other)
        .await
        .refused(401, "TOKEN_EXPIRED");
    world
        .get("/api/v1/users", &text)
        .await
        .refused(401, "TOKEN_INVALID");
}

#[tokio::test]
async fn a_key_ends_on_time_although_it_is_known() {
    let world = World::new().await;
    let admin = world.admin().await;
    let end = jiff::Timestamp::now() + Duration::from_secs(15);
    let body = json!({"name": "brief", "scopes": ["users.read"], "expires_at": end});
    let made = world
        .post("/api/v1/api-keys", &admin, body)
        .await
        .expect(201)
        .json();
    let text = made["key"].as_str().unwrap();
    world.get("/api/v1/users", text).await.expect(200);
    until("the key has expired", || async {
        world.get("/api/v1/users", text).await.status == 401
    })
    .await;
    assert!(jiff::Timestamp::now() >= end - Duration::from_millis(1));
    world
        .get("/api/v1/users", text)
        .await
        .refused(401, "TOKEN_EXPIRED");
}

async fn revocation_is_seen_by_the_twin(world: &World, router: &axum::Router) {
    let admin = world.admin().await;
    let (id, text) = key(world, &admin, &["users.read"]).await;
    call(router, Method::GET, "/api/v1/users", &text, None)
        .await
        .expect(200);
    world
        .delete(&format!("/api/v1/api-keys/{id}"), &admin)
        .await
        .expect(204);
    // On the process that made the change: the very next check.
    let here = world.get("/api/v1/users", &text);
    let (here, there) = tokio::join!(here, turns(router, &text, 401));
    here.refused(401, "TOKEN_REVOKED");
    assert!(there < WITHIN, "{there:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p12_a_revoked_key_is_refused_everywhere_within_a_second_by_pubsub() {
    let (_redis, world) = World::with_redis().await;
    let (state, router, _tasks) = world.twin(SETTINGS);
    listening(&state).await;
    revocation_is_seen_by_the_twin(&world, &router).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p12_a_revoked_key_is_refused_everywhere_within_a_second_without_redis() {
    let world = World::new().await;
    let (_state, router, _tasks) = world.twin(SETTINGS);
    revocation_is_seen_by_the_twin(&world, &router).await;
}

#[tokio::test]
async fn a_deleted_owner_takes_the_keys_along() {
    let world = World::new().await;
    let (id, token) = world.user("kim@example.org", &["users.read"]).await;
    let (_, text) = key(&world, &token, &["users.read"]).await;
    let admin = world.admin().await;
    world
        .delete(&format!("/api/v1/users/{id}"), &admin)
        .await
        .expect(204);
    world
        .get("/api/v1/users", &text)
        .await
        .refused(401, "TOKEN_INVALID");
    world.login(ADMIN, PASSWORD).await.expect(200);
}
