//! Whatever can be noted is noted by something: each action there is, provoked (R18).

use std::collections::BTreeSet;
use std::sync::Arc;

use erpgo::audit::Action;
use erpgo::config::LiveSettings;
use http::Method;
use serde_json::json;

use super::{settings, superuser};
use crate::mail::Post;
use crate::mail::sink::{Mood, code};
use crate::world::{PASSWORD, World, access, call_with};

const KIM: &str = "kim@example.org";
const NEW: &str = "violet badgers whistle opera";

/// Signs in, wrongly until it is locked, and once more when it is open again.
async fn signing_in(world: &World, admin: &str, kim: &str) {
    for _ in 0..5 {
        world
            .login(KIM, "wrong horse battery")
            .await
            .refused(401, "INVALID_CREDENTIALS");
    }
    let path = format!("/api/v1/users/{kim}/unlock");
    world.post(&path, admin, json!({})).await.expect(204);
    let first = world.signed_in(KIM).await["refresh_token"].clone();
    let first = first.as_str().unwrap();
    let second = world.refresh(first).await.expect(200).json();
    let second = second["refresh_token"].as_str().unwrap();
    world.refresh(second).await.expect(200);
    world.refresh(first).await.refused(401, "TOKEN_REUSED");
    let token = access(&world.signed_in(KIM).await);
    world.delete("/api/v1/sessions", &token).await.expect(204);
    world
        .post("/api/v1/auth/logout", &token, json!({}))
        .await
        .expect(204);
}

/// What somebody does with their own account; two mails came before.
async fn ones_own(post: &Post) {
    let world = &post.world;
    let token = access(&world.signed_in(KIM).await);
    let (key, _) = crate::api_keys::key(world, &token, &["products.read"]).await;
    let path = format!("/api/v1/api-keys/{key}");
    world.delete(&path, &token).await.expect(204);
    for _ in 0..2 {
        let place = (Method::POST, "/api/v1/api-keys");
        let headers = [("idempotency-key", "key-1")];
        let body = json!({"name": "till", "scopes": ["products.read"]});
        let made = call_with(&world.router, place, &token, &headers, Some(&body)).await;
        made.expect(201);
    }
    let body = json!({"current_password": PASSWORD, "new_password": NEW});
    world
        .post("/api/v1/auth/change-password", &token, body)
        .await
        .expect(204);
    post.sink.mail(3).await;
    world.forgot(KIM).await.expect(202);
    let body = json!({"token": code(&post.sink.mail(4).await), "new_password": PASSWORD});
    world
        .post("/api/v1/auth/reset-password", "", body)
        .await
        .expect(204);
    let token = access(&world.signed_in(KIM).await);
    crate::second_factor::switch_on(world, &token).await;
}

/// One sign-in too many from an address, and a token that is none.
async fn refused(world: &World) {
    let limited = |login_per_ip: u32| {
        let mut live = LiveSettings::clone(&world.state.live.load());
        live.limits.login_per_ip = login_per_ip;
        world.state.live.store(Arc::new(live));
    };
    limited(1);
    world.signed_in(KIM).await;
    let second = world.login(KIM, PASSWORD).await;
    second.refused(429, "RATE_LIMIT_EXCEEDED");
    limited(0);
    let answer = world.get("/api/v1/profile", "nonsense").await;
    answer.refused(401, "TOKEN_INVALID");
    world.state.refusals.flush(&world.state.database).await;
}

/// What is done to others: looked at, changed, taken away.
async fn to_others(world: &World, admin: &str, kim: &str) {
    let (ann, _) = world.user("ann@example.org", &[]).await;
    world.get("/api/v1/users", admin).await.expect(200);
    let path = format!("/api/v1/users/{kim}");
    world.get(&path, admin).await.expect(200);
    let body = json!({"email": KIM, "first_name": "K", "last_name": "D", "is_active": true});
    world.put(&path, admin, body).await.expect(200);
    world
        .get(&format!("{path}/export"), admin)
        .await
        .expect(200);
    world
        .post(&format!("{path}/erase"), admin, json!({}))
        .await
        .expect(204);
    let path = format!("/api/v1/users/{ann}");
    world.delete(&path, admin).await.expect(204);
}

async fn with_roles(world: &World, admin: &str, kim: &str) {
    let role = json!({"name": "clerk", "permissions": []});
    let role = world.post("/api/v1/roles", admin, role).await.expect(201);
    let id = role.json()["id"].as_str().unwrap().to_owned();
    let pair = json!({"user_id": kim, "role_id": id});
    for route in ["assign", "remove"] {
        let path = format!("/api/v1/roles/{route}");
        world.post(&path, admin, pair.clone()).await.expect(204);
    }
    let path = format!("/api/v1/roles/{id}");
    let wider = json!({"name": "clerk", "permissions": ["users.read"]});
    world.put(&path, admin, wider).await.expect(200);
    world.delete(&path, admin).await.expect(204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_action_that_can_be_noted_is_noted_by_what_provokes_it() {
    let post = Post::new(Mood::Takes).await;
    let world = &post.world;
    let (kim, _) = world.user(KIM, &["products.read"]).await;
    let admin = world.admin().await;
    let body = json!({"token": code(&post.sink.mail(1).await)});
    world
        .post("/api/v1/email/verify", "", body)
        .await
        .expect(204);
    signing_in(world, &admin, &kim).await;
    refused(world).await;
    // That of the lock.
    post.sink.mail(2).await;
    ones_own(&post).await;
    with_roles(world, &admin, &kim).await;
    to_others(world, &admin, &kim).await;
    world.get("/api/v1/audit", &admin).await.expect(200);
    world.get("/api/v1/audit/export", &admin).await.expect(200);
    settings::taken_up(world).await;

    let noted: Vec<String> = sqlx::query_scalar("SELECT DISTINCT action FROM audit_events")
        .fetch_all(&mut superuser(world).await)
        .await
        .unwrap();
    let noted: BTreeSet<_> = noted.iter().map(String::as_str).collect();
    let all: BTreeSet<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
    assert_eq!(noted, all);
}

/// The table of actions in the guide knows every one there is, and no other.
#[test]
fn the_guide_names_every_action() {
    let guide = include_str!("../../../../docs/guides/api.md");
    let chapter = guide
        .split("\n## ")
        .find(|text| text.starts_with("The audit log"));
    let rows = chapter
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("| "));
    let named: BTreeSet<_> = rows
        .flat_map(|row| row.split('`').skip(1).step_by(2))
        .collect();
    let all: BTreeSet<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
    assert_eq!(named, all);
}
