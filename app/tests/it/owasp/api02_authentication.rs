//! API2: credentials cannot be guessed, smuggled or kept alive. Forged tokens are in `auth::forgeries`,
//! lockout in `auth::limits`, uniform answers there and in `mail::passwords`.

use axum::body::Body;
use http::Request;
use serde_json::json;

use crate::world::{ADMIN, PASSWORD, World, access, send};

#[tokio::test]
async fn a_token_is_taken_from_the_authorization_header_alone() {
    let world = World::new().await;
    let token = world.admin().await;
    let (_, key) = crate::api_keys::key(&world, &token, &["*"]).await;
    for secret in [&token, &key] {
        let path = format!("/api/v1/profile?access_token={secret}");
        world.get(&path, "").await.refused(400, "VALIDATION_ERROR");
        for (name, value) in [
            ("cookie", format!("access_token={secret}")),
            ("x-api-key", secret.clone()),
            ("x-access-token", secret.clone()),
            ("authorization", secret.clone()),
            ("authorization", format!("Basic {secret}")),
            ("authorization", format!("Token {secret}")),
            ("proxy-authorization", format!("Bearer {secret}")),
        ] {
            let request = Request::get("/api/v1/profile").header(name, &value);
            let answer = send(&world.router, request.body(Body::empty()).unwrap()).await;
            answer.refused(401, "UNAUTHORIZED");
        }
        // Two of them: which one would count?
        let request = Request::get("/api/v1/profile")
            .header("authorization", format!("Bearer {secret}"))
            .header("authorization", "Bearer x");
        send(&world.router, request.body(Body::empty()).unwrap())
            .await
            .refused(401, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn every_sign_in_begins_a_session_of_its_own_and_a_sign_out_ends_all_of_it() {
    let world = World::new().await;
    let (one, other) = (world.signed_in(ADMIN).await, world.signed_in(ADMIN).await);
    assert_ne!(one["access_token"], other["access_token"]);
    assert_ne!(one["refresh_token"], other["refresh_token"]);
    world
        .post("/api/v1/auth/logout", &access(&one), json!({}))
        .await
        .expect(204);
    world
        .get("/api/v1/profile", &access(&one))
        .await
        .refused(401, "TOKEN_REVOKED");
    world
        .refresh(one["refresh_token"].as_str().unwrap())
        .await
        .refused(401, "TOKEN_REVOKED");
    world
        .get("/api/v1/profile", &access(&other))
        .await
        .expect(200);
}

#[tokio::test]
async fn what_changes_the_account_takes_the_password_beside_the_session() {
    let world = World::new().await;
    let token = world.admin().await;
    for (path, body) in [
        (
            "change-password",
            json!({"current_password": "wrong", "new_password": "violet badgers whistle"}),
        ),
        ("second-factor/enrol", json!({"password": "wrong"})),
        ("second-factor/disable", json!({"password": "wrong"})),
    ] {
        let answer = world
            .post(&format!("/api/v1/auth/{path}"), &token, body)
            .await;
        answer.refused(401, "INVALID_CREDENTIALS");
    }
    world.login(ADMIN, PASSWORD).await.expect(200);
}
