//! API5: a function is open to those who hold its permission, by whatever way it is asked for.

use axum::body::Body;
use http::{Method, Request, header};
use serde_json::json;

use crate::openapi::operations;
use crate::world::{World, send};

#[tokio::test]
async fn every_permission_but_the_one_that_is_needed_opens_nothing() {
    let world = World::new().await;
    let mut scopes: Vec<String> = operations()
        .iter()
        .filter_map(|(_, _, operation)| {
            operation["security"][0]["bearer"][0]
                .as_str()
                .map(str::to_owned)
        })
        .collect();
    scopes.sort();
    scopes.dedup();
    assert!(scopes.len() >= 12, "{scopes:?}");
    for (index, needed) in scopes.iter().enumerate() {
        let others: Vec<&str> = scopes
            .iter()
            .filter(|scope| *scope != needed)
            .map(|s| &**s)
            .collect();
        let (_, token) = world.user(&format!("u{index}@example.org"), &others).await;
        for (method, path, operation) in operations() {
            if operation["security"][0]["bearer"][0] != **needed {
                continue;
            }
            let body = (method != Method::GET && method != Method::DELETE).then(|| json!({}));
            world
                .call(method.clone(), &path, &token, body)
                .await
                .refused(403, "FORBIDDEN");
        }
    }
}

#[tokio::test]
async fn a_method_or_path_that_is_smuggled_in_changes_nothing() {
    let world = World::new().await;
    let (id, token) = world.user("kim@example.org", &["users.read"]).await;
    let path = format!("/api/v1/users/{id}");
    for name in [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
        "x-original-url",
        "x-rewrite-url",
    ] {
        let value = if name.ends_with("url") {
            path.as_str()
        } else {
            "DELETE"
        };
        let request = Request::get(&path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(name, value);
        send(&world.router, request.body(Body::empty()).unwrap())
            .await
            .expect(200);
    }
    for odd in [
        format!("/api/v1//users/{id}"),
        format!("/API/V1/users/{id}"),
        format!("/api/v1/users/../users/{id}"),
    ] {
        let answer = world.get(&odd, &token).await;
        assert!(
            [400, 404].contains(&answer.status.as_u16()),
            "{odd}: {}",
            answer.text
        );
    }
    world
        .get(&format!("{path}?_method=DELETE"), &token)
        .await
        .refused(400, "VALIDATION_ERROR");
    world.get(&path, &token).await.expect(200);
}

#[tokio::test]
async fn nobody_raises_themselves() {
    let world = World::new().await;
    let (id, token) = world.user("kim@example.org", &["roles.*", "users.*"]).await;
    let admin = world.admin().await;
    let roles = world.get("/api/v1/roles?limit=100", &admin).await.json();
    let roles = roles["roles"].as_array().unwrap();
    let top = roles.iter().find(|role| role["name"] == "admin").unwrap();
    let body = json!({"user_id": id, "role_id": top["id"]});
    world
        .post("/api/v1/roles/assign", &token, body)
        .await
        .refused(403, "FORBIDDEN");
    let own = json!({"name": "mine", "permissions": ["*"]});
    world
        .post("/api/v1/roles", &token, own)
        .await
        .refused(403, "FORBIDDEN");
    let key = json!({"name": "mine", "scopes": ["*"]});
    world
        .post("/api/v1/api-keys", &token, key)
        .await
        .refused(403, "FORBIDDEN");
}
