//! API1: what belongs to somebody else is not there, whatever one may do otherwise.

use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn what_belongs_to_another_user_can_be_neither_seen_nor_ended() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (_, eve) = world.user("eve@example.org", &["*"]).await;
    let (key, _) = crate::api_keys::key(&world, &admin, &["users.read"]).await;
    let sessions = world.get("/api/v1/sessions", &admin).await.json();
    let session = sessions["sessions"][0]["id"].as_str().unwrap();
    for path in [
        format!("/api/v1/api-keys/{key}"),
        format!("/api/v1/sessions/{session}"),
    ] {
        let another = world.delete(&path, &eve).await;
        let nobodys = path.rsplit_once('/').unwrap().0.to_owned();
        let nobodys = world
            .delete(&format!("{nobodys}/{}", uuid::Uuid::now_v7()), &eve)
            .await;
        another.refused(404, "NOT_FOUND");
        // The two cannot be told apart.
        assert_eq!(another.json()["detail"], nobodys.json()["detail"]);
    }
    for (path, list) in [
        ("/api/v1/api-keys", "api_keys"),
        ("/api/v1/sessions", "sessions"),
    ] {
        let seen = world.get(path, &eve).await.json().to_string();
        assert!(
            !seen.contains(&key) && !seen.contains(session),
            "{list}: {seen}"
        );
    }
    world.get("/api/v1/profile", &admin).await.expect(200);
}

#[tokio::test]
async fn an_idempotency_key_of_another_user_gives_nothing_of_theirs_away() {
    let world = World::new().await;
    let (_, ann) = world.user("ann@example.org", &["products.*"]).await;
    let (_, eve) = world.user("eve@example.org", &["products.*"]).await;
    let make = async |token: &str, sku: &str| {
        let body = json!({"sku": sku, "name": "Lamp", "price": "9.50", "currency": "EUR"});
        let request = http::Request::post("/api/v1/products")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("idempotency-key", "one-and-the-same")
            .body(axum::body::Body::from(body.to_string()))
            .unwrap();
        crate::world::send(&world.router, request).await
    };
    let anns: Value = make(&ann, "LAMP-1").await.expect(201).json();
    let eves = make(&eve, "LAMP-2").await.expect(201);
    assert!(!eves.headers.contains_key("idempotency-replayed"));
    assert_ne!(eves.json()["id"], anns["id"]);
}

#[tokio::test]
async fn an_id_in_the_body_does_not_name_whose_account_is_meant() {
    let world = World::new().await;
    let admin = world.signed_in(crate::world::ADMIN).await;
    let (_, eve) = world.user("eve@example.org", &[]).await;
    let body = json!({"first_name": "E", "last_name": "V", "id": admin["user"]["id"]});
    world
        .put("/api/v1/profile", &eve, body)
        .await
        .refused(400, "VALIDATION_ERROR");
    let body = json!({"name": "k", "scopes": [], "user_id": admin["user"]["id"]});
    world
        .post("/api/v1/api-keys", &eve, body)
        .await
        .refused(400, "VALIDATION_ERROR");
}
