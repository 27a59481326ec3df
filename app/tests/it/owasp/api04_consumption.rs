//! API4: no request costs more than its share. Storms of hashes are in `auth::limits`.

use axum::body::Body;
use http::{Request, header};
use serde_json::{Value, json};

use crate::world::{World, send};

#[tokio::test]
async fn lists_bodies_searches_and_nesting_are_bounded() {
    let world = World::new().await;
    let admin = world.admin().await;
    for list in ["users", "roles", "products"] {
        world
            .get(&format!("/api/v1/{list}?limit=1001"), &admin)
            .await
            .refused(400, "VALIDATION_ERROR");
    }
    let long = "x".repeat(101);
    world
        .get(&format!("/api/v1/users?search={long}"), &admin)
        .await
        .refused(400, "VALIDATION_ERROR");
    let huge = json!({"name": "x".repeat(1_100_000), "permissions": []});
    world
        .post("/api/v1/roles", &admin, huge)
        .await
        .refused(413, "PAYLOAD_TOO_LARGE");
    let many: Vec<Value> = (0..201).map(|n| json!(format!("a.b{n}"))).collect();
    let many = json!({"name": "many", "permissions": many});
    world
        .post("/api/v1/roles", &admin, many)
        .await
        .refused(400, "VALIDATION_ERROR");
    let request = Request::post("/api/v1/roles")
        .header(header::AUTHORIZATION, format!("Bearer {admin}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(format!(
            "{{\"name\":{}{}",
            "[".repeat(50_000),
            "]".repeat(50_000)
        )));
    let answer = send(&world.router, request.unwrap()).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
}

#[tokio::test]
async fn what_a_user_may_keep_is_bounded() {
    let world = World::new().await;
    let admin = world.admin().await;
    for _ in 0..10 {
        crate::api_keys::key(&world, &admin, &["users.read"]).await;
    }
    let body = json!({"name": "one more", "scopes": ["users.read"]});
    world
        .post("/api/v1/api-keys", &admin, body)
        .await
        .refused(409, "CONFLICT");
    for _ in 0..25 {
        world.admin().await;
    }
    let token = world.admin().await;
    let sessions = world.get("/api/v1/sessions", &token).await.json();
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 20);
}
