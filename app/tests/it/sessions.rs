//! Sessions as their users and administrators see them.

use axum::body::Body;
use http::{Request, header};
use serde_json::{Value, json};

use crate::world::{ADMIN, PASSWORD, SETTINGS, World, access, send};

async fn sign_in_from(world: &World, address: &str, agent: &str) -> Value {
    let request = Request::post("/api/v1/auth/login")
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-forwarded-for", address)
        .header(header::USER_AGENT, agent)
        .body(Body::from(
            json!({"email": ADMIN, "password": PASSWORD}).to_string(),
        ))
        .unwrap();
    send(&world.router, request).await.expect(200).json()
}

async fn list(world: &World, token: &str) -> Vec<Value> {
    let list = world
        .get("/api/v1/sessions", token)
        .await
        .expect(200)
        .json();
    list["sessions"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_user_sees_where_they_are_signed_in_and_ends_one_of_them() {
    let yaml = format!("{SETTINGS}\nhttp: {{ trusted_proxies: [127.0.0.1] }}");
    let world = World::with(&yaml, None).await;
    let desk = access(&sign_in_from(&world, "192.0.2.7", "Firefox/128").await);
    let phone = access(&sign_in_from(&world, "2001:db8::9", &"x".repeat(400)).await);
    let seen = list(&world, &desk).await;
    assert_eq!(seen.len(), 2);
    let (newest, own) = (&seen[0], &seen[1]);
    assert_eq!(own["user_agent"], "Firefox/128");
    assert_eq!(
        (&own["address"], &own["is_current"]),
        (&json!("192.0.2.7"), &json!(true))
    );
    assert_eq!(newest["user_agent"].as_str().unwrap().len(), 300);
    assert_eq!(
        (&newest["address"], &newest["is_current"]),
        (&json!("2001:db8::9"), &json!(false))
    );
    for name in ["created_at", "last_seen_at", "expires_at"] {
        assert!(own[name].is_string(), "{name}: {own}");
    }

    world.get("/api/v1/users", &phone).await.expect(200);
    let path = format!("/api/v1/sessions/{}", newest["id"].as_str().unwrap());
    world.delete(&path, &desk).await.expect(204);
    world
        .get("/api/v1/users", &phone)
        .await
        .refused(401, "TOKEN_REVOKED");
    world.get("/api/v1/users", &desk).await.expect(200);
    world.delete(&path, &desk).await.refused(404, "NOT_FOUND");
    assert_eq!(list(&world, &desk).await.len(), 1);
}

#[tokio::test]
async fn a_user_ends_every_other_session() {
    let world = World::new().await;
    let others = [world.signed_in(ADMIN).await, world.signed_in(ADMIN).await];
    let here = world.admin().await;
    world.delete("/api/v1/sessions", &here).await.expect(204);
    for other in others {
        world
            .get("/api/v1/users", &access(&other))
            .await
            .refused(401, "TOKEN_REVOKED");
        let refresh = other["refresh_token"].as_str().unwrap();
        world.refresh(refresh).await.refused(401, "TOKEN_REVOKED");
    }
    world.get("/api/v1/users", &here).await.expect(200);
    assert_eq!(list(&world, &here).await.len(), 1);
}

#[tokio::test]
async fn sessions_of_others_are_not_there() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (_, kim) = world.user("kim@example.org", &["*"]).await;
    let own = list(&world, &admin).await;
    let path = format!("/api/v1/sessions/{}", own[0]["id"].as_str().unwrap());
    world.delete(&path, &kim).await.refused(404, "NOT_FOUND");
    world.get("/api/v1/users", &admin).await.expect(200);
    assert_eq!(list(&world, &kim).await.len(), 1);
}

#[tokio::test]
async fn an_administrator_ends_every_session_of_a_user() {
    let world = World::new().await;
    let (id, kim) = world.user("kim@example.org", &["users.read"]).await;
    let again = access(&world.signed_in("kim@example.org").await);
    let admin = world.admin().await;
    let path = format!("/api/v1/users/{id}/sessions");
    world.delete(&path, &kim).await.refused(403, "FORBIDDEN");
    world.delete(&path, &admin).await.expect(204);
    for token in [kim, again] {
        world
            .get("/api/v1/users", &token)
            .await
            .refused(401, "TOKEN_REVOKED");
    }
    world.get("/api/v1/users", &admin).await.expect(200);
    world.login("kim@example.org", PASSWORD).await.expect(200);
    let nobody = format!("/api/v1/users/{}/sessions", uuid::Uuid::now_v7());
    world
        .delete(&nobody, &admin)
        .await
        .refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn the_last_use_is_noted_once_a_minute() {
    let world = World::new().await;
    let admin = world.admin().await;
    let seen = async || list(&world, &admin).await[0]["last_seen_at"].clone();
    let first = seen().await;
    world.state.sessions.forget_all();
    assert_eq!(seen().await, first);
    sqlx::query("UPDATE sessions SET last_seen_at = now() - interval '2 minutes'")
        .execute(&world.state.database.pool())
        .await
        .unwrap();
    world.state.sessions.forget_all();
    assert!(seen().await.as_str() >= first.as_str());
}
