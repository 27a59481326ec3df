//! API5: a function is open to those who hold its permission, by whatever way it is asked for.

use axum::body::Body;
use http::{Method, Request, header};
use serde_json::json;

use crate::openapi::operations;
use crate::world::{ADMIN, World, send};

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

/// Whoever takes over an account holds what it holds: a new password goes to its address.
#[tokio::test]
async fn nobody_takes_over_or_bars_who_may_do_more() {
    let world = World::new().await;
    let (_, helper) = world.user("helper@example.org", &["users.*"]).await;
    let (kim, _) = world.user("kim@example.org", &["users.read"]).await;
    let admin = world.signed_in(ADMIN).await;
    let above = format!("/api/v1/users/{}", admin["user"]["id"].as_str().unwrap());
    let below = format!("/api/v1/users/{kim}");
    let state = |email: &str, is_active: bool| json!({"email": email, "first_name": "Ann", "last_name": "Lee", "is_active": is_active});
    for body in [state("helper2@example.org", true), state(ADMIN, false)] {
        let answer = world.put(&above, &helper, body).await;
        answer.refused(403, "FORBIDDEN");
        assert!(answer.text.contains("you lack *"), "{}", answer.text);
    }
    let answer = world.delete(&above, &helper).await;
    answer.refused(403, "FORBIDDEN");
    let user = world.get(&above, &helper).await.expect(200).json();
    assert_eq!(
        (&user["email"], &user["is_active"], &user["version"]),
        (&json!(ADMIN), &json!(true), &json!(1))
    );
    assert_eq!(crate::mail::waiting_of(&world, "email_changed").await, 0);
    // A name gives no power, nor does the address of who may do no more.
    world
        .put(&above, &helper, state(ADMIN, true))
        .await
        .expect(200);
    for body in [
        state("kim2@example.org", true),
        state("kim2@example.org", false),
    ] {
        world.put(&below, &helper, body).await.expect(200);
    }
    assert_eq!(crate::mail::waiting_of(&world, "email_changed").await, 1);
    world.delete(&below, &helper).await.expect(204);
}

/// What cannot be undone, and what throws somebody out: one right alone reaches nobody who may do everything, and
/// ends the sessions only of those who may do no more.
#[tokio::test]
async fn nobody_erases_who_may_do_everything_nor_signs_out_who_may_do_more() {
    let world = World::new().await;
    let admin = world.admin().await;
    let rights = ["users.erase", "sessions.revoke"];
    let (own, officer) = world.user("officer@example.org", &rights).await;
    let (chief, chiefs) = world.user("chief@example.org", &["*"]).await;
    let (kim, kims) = world.user("kim@example.org", &["users.read"]).await;
    let (lee, lees) = world.user("lee@example.org", &[]).await;
    let [above, of_officer, of_kim, of_lee] =
        [chief, own, kim, lee].map(|id| format!("/api/v1/users/{id}"));
    // Of somebody who may do everything, with as little reach.
    let (_, key) = crate::api_keys::key(&world, &admin, &rights).await;
    for caller in [&officer, &key] {
        let erased = world
            .post(&format!("{above}/erase"), caller, json!({}))
            .await;
        let signed_out = world.delete(&format!("{above}/sessions"), caller).await;
        for answer in [erased, signed_out] {
            answer.refused(403, "FORBIDDEN");
            assert!(answer.text.contains("you lack *"), "{}", answer.text);
        }
        let answer = world.delete(&format!("{of_kim}/sessions"), caller).await;
        answer.refused(403, "FORBIDDEN");
        assert!(
            answer.text.contains("you lack users.read"),
            "{}",
            answer.text
        );
    }
    world.get("/api/v1/users", &chiefs).await.expect(200);
    world.get("/api/v1/users", &kims).await.expect(200);
    // Of those who may do no more, themselves among them, and by whoever may do as much.
    for (path, caller, token) in [
        (&of_lee, &key, &lees),
        (&of_officer, &officer, &officer),
        (&of_kim, &admin, &kims),
        (&above, &admin, &chiefs),
    ] {
        world
            .delete(&format!("{path}/sessions"), caller)
            .await
            .expect(204);
        let answer = world.get("/api/v1/profile", token).await;
        answer.refused(401, "TOKEN_REVOKED");
    }
}

/// Whoever is barred keeps their roles: to let them in again is to hand these out.
#[tokio::test]
async fn nobody_lets_in_who_may_do_more() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (_, helper) = world.user("helper@example.org", &["users.*"]).await;
    let (chief, _) = world.user("chief@example.org", &["*"]).await;
    let path = format!("/api/v1/users/{chief}");
    let state = |is_active: bool| json!({"email": "chief@example.org", "first_name": "A", "last_name": "B", "is_active": is_active});
    world.put(&path, &admin, state(false)).await.expect(200);
    world
        .put(&path, &helper, state(true))
        .await
        .refused(403, "FORBIDDEN");
    world.put(&path, &helper, state(false)).await.expect(200);
    world.put(&path, &admin, state(true)).await.expect(200);
}
