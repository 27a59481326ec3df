//! An administrator lifts a lock before its time (P10).

use http::Method;
use serde_json::json;

use crate::world::{ADMIN, PASSWORD, SETTINGS, World, call, hearing, listening, until};

const KIM: &str = "kim@example.org";

async fn lock(world: &World) {
    for _ in 0..5 {
        world
            .login(KIM, "wrong horse battery staple")
            .await
            .refused(401, "INVALID_CREDENTIALS");
    }
    locked(&world.router).await;
}

async fn sign_in(router: &axum::Router) -> crate::world::Answer {
    let body = json!({"email": KIM, "password": PASSWORD});
    call(router, Method::POST, "/api/v1/auth/login", "", Some(body)).await
}

async fn locked(router: &axum::Router) {
    sign_in(router).await.refused(401, "INVALID_CREDENTIALS");
}

fn path(id: &str) -> String {
    format!("/api/v1/users/{id}/unlock")
}

async fn unlock(world: &World, id: &str, token: &str) -> crate::world::Answer {
    world.call(Method::POST, &path(id), token, None).await
}

#[tokio::test]
async fn p10_a_lock_is_lifted_by_whoever_may_and_noted() {
    let world = World::new().await;
    let (id, kim) = world.user(KIM, &["users.update"]).await;
    let (_, helper) = world.user("help@example.org", &["users.unlock"]).await;
    lock(&world).await;
    unlock(&world, &id, "").await.refused(401, "UNAUTHORIZED");
    unlock(&world, &id, &kim).await.refused(403, "FORBIDDEN");
    locked(&world.router).await;
    unlock(&world, &id, &helper).await.expect(204);
    sign_in(&world.router).await.expect(200);
    // The count begins anew.
    for _ in 0..4 {
        world
            .login(KIM, "wrong horse battery staple")
            .await
            .expect(401);
    }
    sign_in(&world.router).await.expect(200);
    // Nothing to lift is no fault; nobody to lift it from is one.
    unlock(&world, &id, &helper).await.expect(204);
    let nobody = uuid::Uuid::now_v7().to_string();
    unlock(&world, &nobody, &helper)
        .await
        .refused(404, "NOT_FOUND");

    let admin = world.admin().await;
    let events = world
        .get("/api/v1/audit?action=auth.unlocked", &admin)
        .await
        .expect(200)
        .json();
    let events = events["events"].as_array().unwrap();
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(events[0]["target"], format!("user:{id}"));
    let me = world.get("/api/v1/profile", &helper).await.json();
    assert_eq!(events[0]["actor"], me["id"]);
}

#[tokio::test]
async fn p10_another_name_stays_locked() {
    let world = World::new().await;
    let (id, _) = world.user(KIM, &[]).await;
    let admin = world.admin().await;
    lock(&world).await;
    for _ in 0..5 {
        world
            .login(ADMIN, "wrong horse battery staple")
            .await
            .expect(401);
    }
    unlock(&world, &id, &admin).await.expect(204);
    sign_in(&world.router).await.expect(200);
    world
        .login(ADMIN, PASSWORD)
        .await
        .refused(401, "INVALID_CREDENTIALS");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_a_lock_is_lifted_on_every_process_by_redis() {
    let (_redis, world) = World::counting_with_redis().await;
    let (state, twin, _tasks) = world.twin(SETTINGS);
    listening(&state).await;
    let (id, _) = world.user(KIM, &[]).await;
    lock(&world).await;
    locked(&twin).await;
    unlock(&world, &id, &world.admin().await).await.expect(204);
    sign_in(&twin).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_a_lock_is_lifted_on_every_process_without_redis() {
    let world = World::new().await;
    let (state, twin, _tasks) = world.twin(SETTINGS);
    let _ears = (hearing(&world.state).await, hearing(&state).await);
    let (id, _) = world.user(KIM, &[]).await;
    lock(&world).await;
    for _ in 0..5 {
        let body = json!({"email": KIM, "password": "wrong horse battery staple"});
        call(&twin, Method::POST, "/api/v1/auth/login", "", Some(body))
            .await
            .expect(401);
    }
    locked(&twin).await;
    unlock(&world, &id, &world.admin().await).await.expect(204);
    sign_in(&world.router).await.expect(200);
    // Told by PostgreSQL, which takes no longer than the next question to it.
    until("the twin has heard", || async {
        sign_in(&twin).await.status == 200
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r07_4_what_redis_counts_is_not_said_to_be_lifted_while_it_is_away() {
    let (mut redis, world) = World::counting_with_redis().await;
    let (id, _) = world.user(KIM, &[]).await;
    let admin = world.admin().await;
    lock(&world).await;
    redis.stop();
    let answer = unlock(&world, &id, &admin).await;
    answer.refused(503, "SERVICE_UNAVAILABLE");
    assert!(answer.headers.contains_key("retry-after"));
    redis.start();
    world.redis_is_listening().await;
    unlock(&world, &id, &admin).await.expect(204);
}
