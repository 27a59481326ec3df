//! Calls on users and roles.

use http::Method;
use serde_json::json;

use super::stage::{Call, Stage};
use crate::world::PASSWORD;

pub async fn call(stage: &Stage, operation: &str) -> Option<Call> {
    let (method, path) = operation.split_once(' ')?;
    let method: Method = method.parse().ok()?;
    if path.starts_with("/api/v1/users") {
        return users(stage, operation, method, path).await;
    }
    if path.starts_with("/api/v1/roles") {
        return roles(stage, operation, method, path).await;
    }
    None
}

async fn users(stage: &Stage, operation: &str, method: Method, path: &str) -> Option<Call> {
    let id = stage.person().await.id;
    let call = Call::new(method, path.replace("{id}", &id), &stage.admin);
    Some(match operation {
        "GET /api/v1/users" => Call {
            path: format!("{path}?page=1&limit=1000&search=example&is_active=true"),
            ..call
        },
        "POST /api/v1/users" => call.once().with(json!({
            "email": format!("new-{id}@example.org"), "first_name": "N", "last_name": "N",
            "password": PASSWORD})),
        "PUT /api/v1/users/{id}" => call.with(json!({
            "email": format!("moved-{id}@example.org"), "first_name": "N", "last_name": "N",
            "is_active": false})),
        "GET /api/v1/users/{id}"
        | "DELETE /api/v1/users/{id}"
        | "DELETE /api/v1/users/{id}/sessions"
        | "GET /api/v1/users/{id}/export"
        | "POST /api/v1/users/{id}/erase"
        | "POST /api/v1/users/{id}/unlock" => call,
        _ => return None,
    })
}

async fn roles(stage: &Stage, operation: &str, method: Method, path: &str) -> Option<Call> {
    let at = |id: &str| Call::new(method.clone(), path.replace("{id}", id), &stage.admin);
    let permissions: Vec<_> = (0..stage.size).map(|n| format!("area{n}.read")).collect();
    let body =
        json!({"name": uuid::Uuid::new_v4().simple().to_string(), "permissions": permissions});
    Some(match operation {
        "GET /api/v1/roles" => Call {
            path: format!("{path}?page=1&limit=1000"),
            ..at("")
        },
        "POST /api/v1/roles" => at("").once().with(body),
        "GET /api/v1/roles/{id}" => at(stage.roles.first()?),
        "PUT /api/v1/roles/{id}" => at(&stage.held_role().await).with(body),
        "DELETE /api/v1/roles/{id}" => at(&stage.role().await),
        "POST /api/v1/roles/assign" => {
            let role = stage.held_role().await;
            let user = stage.person().await.id;
            at("")
                .once()
                .with(json!({"user_id": user, "role_id": role}))
        }
        "POST /api/v1/roles/remove" => {
            let (user, role) = (stage.person().await.id, stage.roles.first()?);
            at("")
                .once()
                .with(json!({"user_id": user, "role_id": role}))
        }
        _ => return None,
    })
}
