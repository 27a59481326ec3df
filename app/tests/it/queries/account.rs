//! Calls on one's own account.

use http::Method;
use serde_json::json;

use super::stage::{Call, Stage};
use crate::second_factor;
use crate::world::PASSWORD;

const NEW: &str = "violet badgers whistle opera";

pub async fn call(stage: &Stage, operation: &str) -> Option<Call> {
    let path = operation.split(' ').next_back()?;
    if let Some(path) = path.strip_prefix("/api/v1/auth/second-factor") {
        return factor(stage, operation, path).await;
    }
    let person = stage.person().await;
    let post = |body| Call::new(Method::POST, path, "").with(body);
    let here = |method| Call::new(method, path, &person.token);
    Some(match operation {
        "POST /api/v1/auth/login" => post(json!({"email": person.email, "password": PASSWORD})),
        "POST /api/v1/auth/login/second-factor" => {
            let (secret, _) = second_factor::switch_on(&stage.world, &person.token).await;
            let half = stage.world.login(&person.email, PASSWORD).await.expect(202);
            let code = second_factor::code(&secret, 0);
            post(json!({"challenge_token": half.json()["challenge_token"], "code": code}))
        }
        "POST /api/v1/auth/refresh" => post(json!({"refresh_token": person.refresh})),
        "POST /api/v1/auth/logout" => here(Method::POST).with(json!({})),
        "POST /api/v1/auth/forgot-password" => post(json!({"email": person.email})),
        "POST /api/v1/auth/reset-password" => {
            let token = stage.mailed(&person, "password_reset").await;
            post(json!({"token": token, "new_password": NEW}))
        }
        "POST /api/v1/auth/change-password" => {
            here(Method::POST).with(json!({"current_password": PASSWORD, "new_password": NEW}))
        }
        "POST /api/v1/email/send-verification" => here(Method::POST).with(json!({})),
        "POST /api/v1/email/verify" => {
            post(json!({"token": stage.mailed(&person, "email_verification").await}))
        }
        "GET /api/v1/profile" | "GET /api/v1/profile/export" => here(Method::GET),
        "PUT /api/v1/profile" => {
            here(Method::PUT).with(json!({"first_name": "Ann", "last_name": "Lee"}))
        }
        "POST /api/v1/profile/erase" => here(Method::POST).with(json!({"password": PASSWORD})),
        "GET /api/v1/sessions" | "GET /api/v1/api-keys" => here(Method::GET),
        "DELETE /api/v1/sessions" => here(Method::DELETE),
        "DELETE /api/v1/sessions/{id}" => {
            let other = session_of(stage, &person.id).await;
            Call::new(Method::DELETE, path.replace("{id}", &other), &person.token)
        }
        "POST /api/v1/api-keys" => {
            // Who makes one holds what it may do.
            Call::new(Method::POST, path, &stage.admin)
                .once()
                .with(json!({"name": "shop", "scopes": ["products.read"]}))
        }
        "DELETE /api/v1/api-keys/{id}" => {
            let (key, _) =
                crate::api_keys::key(&stage.world, &stage.admin, &["products.read"]).await;
            Call::new(Method::DELETE, path.replace("{id}", &key), &stage.admin)
        }
        _ => return None,
    })
}

/// The oldest session, which is not the one in use.
async fn session_of(stage: &Stage, user: &str) -> String {
    sqlx::query_scalar(
        "SELECT id::text FROM sessions WHERE user_id = $1::uuid AND revoked_at IS NULL
         ORDER BY created_at LIMIT 1",
    )
    .bind(user)
    .fetch_one(&stage.world.state.database.pool())
    .await
    .unwrap()
}

async fn factor(stage: &Stage, operation: &str, path: &str) -> Option<Call> {
    let person = stage.person().await;
    let method = if path.is_empty() {
        Method::GET
    } else {
        Method::POST
    };
    let full = format!("/api/v1/auth/second-factor{path}");
    let call = Call::new(method, full, &person.token);
    Some(
        match operation.split(' ').next_back()?.rsplit('/').next()? {
            "second-factor" => {
                second_factor::switch_on(&stage.world, &person.token).await;
                call
            }
            "enrol" => call.with(json!({"password": PASSWORD})),
            "confirm" => {
                let secret = second_factor::enrol(&stage.world, &person.token).await;
                call.with(json!({"code": second_factor::code(&secret, 0)}))
            }
            "disable" => {
                second_factor::switch_on(&stage.world, &person.token).await;
                call.with(json!({"password": PASSWORD}))
            }
            _ => return None,
        },
    )
}
