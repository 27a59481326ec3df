//! What is noted, and of whom.

use axum::body::Body;
use http::{Method, Request};
use serde_json::json;

use super::events;
use crate::second_factor::{finish, switch_on};
use crate::world::{ADMIN, PASSWORD, World, access, send};

async fn sign_in(world: &World, email: &str, password: &str) -> u16 {
    let body = json!({"email": email, "password": password}).to_string();
    let request = Request::builder()
        .method(Method::POST)
        .uri("/api/v1/auth/login")
        .header("content-type", "application/json")
        .header("user-agent", "walking/1.0")
        .header("x-request-id", "noted-sign-in")
        .body(Body::from(body))
        .unwrap();
    send(&world.router, request).await.status.as_u16()
}

#[tokio::test]
async fn r18_1_sign_ins_are_noted_with_time_user_address_and_agent() {
    let world = World::new().await;
    let begun = jiff::Timestamp::now();
    assert_eq!(sign_in(&world, ADMIN, PASSWORD).await, 200);
    let event = events(&world, "action=auth.signed_in").await;
    let event = event
        .iter()
        .find(|event| event["request_id"] == "noted-sign-in")
        .unwrap();
    let at: jiff::Timestamp = event["at"].as_str().unwrap().parse().unwrap();
    assert!(at.duration_since(begun).abs() < jiff::SignedDuration::from_secs(60));
    let me = world.get("/api/v1/profile", &world.admin().await).await;
    assert_eq!(event["actor"], me.json()["id"]);
    assert_eq!(event["outcome"], "success");
    assert_eq!(
        event["personal"],
        json!({"ip": "127.0.0.1", "agent": "walking/1.0"})
    );
}

#[tokio::test]
async fn r18_1_failures_and_locks_are_noted_whether_the_name_exists_or_not() {
    let world = World::new().await;
    for name in [ADMIN, "nobody@example.org"] {
        for _ in 0..5 {
            assert_eq!(sign_in(&world, name, "wrong").await, 401);
        }
        // Locked: the right password is refused as well.
        assert_eq!(sign_in(&world, name, PASSWORD).await, 401);
    }
    let (_, token) = {
        // The administrator is locked; another one looks.
        world
            .state
            .logins
            .forgive(&erpgo::limits::Identifier::of(ADMIN))
            .await;
        world.user("auditor@example.org", &["audit.read"]).await
    };
    let answer = world.get("/api/v1/audit?limit=1000", &token).await.json();
    let all = answer["events"].as_array().unwrap();
    for name in [ADMIN, "nobody@example.org"] {
        let of = |action: &str| {
            all.iter()
                .filter(|event| event["action"] == action && event["personal"]["email"] == name)
                .collect::<Vec<_>>()
        };
        assert_eq!(of("auth.sign_in_failed").len(), 5, "{name}");
        assert_eq!(of("auth.locked").len(), 1, "{name}");
        for event in of("auth.sign_in_failed") {
            assert_eq!(event["outcome"], "refused");
            assert_eq!(event["actor"], json!(null));
            assert_eq!(event["target"].is_null(), name != ADMIN);
        }
        let locked = of("auth.sign_in_failed")
            .iter()
            .filter(|event| event["detail"]["locked"] == true)
            .count();
        assert_eq!(locked, 1, "the sixth one");
    }
}

#[tokio::test]
async fn r18_1_sign_out_and_stolen_tokens_are_noted() {
    let world = World::new().await;
    let (id, _) = world.user("kim@example.org", &[]).await;
    let session = world.signed_in("kim@example.org").await;
    let first = session["refresh_token"].as_str().unwrap().to_owned();
    let second = world.refresh(&first).await.expect(200).json();
    world
        .refresh(second["refresh_token"].as_str().unwrap())
        .await
        .expect(200);
    world.refresh(&first).await.refused(401, "TOKEN_REUSED");
    let token = access(&world.signed_in("kim@example.org").await);
    world
        .post("/api/v1/auth/logout", &token, json!({}))
        .await
        .expect(204);
    for (action, outcome) in [
        ("auth.refresh_reused", "refused"),
        ("auth.signed_out", "success"),
    ] {
        let found = events(&world, &format!("action={action}")).await;
        assert_eq!(found.len(), 1, "{action}");
        assert_eq!(found[0]["actor"], id.as_str());
        assert_eq!(found[0]["outcome"], outcome);
        assert!(found[0]["target"].as_str().unwrap().starts_with("session:"));
    }
}

#[tokio::test]
async fn r18_1_a_second_factor_and_what_is_done_with_it_are_noted() {
    let world = World::new().await;
    let (id, token) = world.user("kim@example.org", &[]).await;
    let (_, codes) = switch_on(&world, &token).await;
    let half = world.login("kim@example.org", PASSWORD).await;
    let half = half.expect(202).json();
    let half = half["challenge_token"].as_str().unwrap();
    let before = events(&world, &format!("action=auth.signed_in&actor={id}"))
        .await
        .len();
    let wrong = finish(&world, half, "none").await;
    wrong.refused(401, "INVALID_CREDENTIALS");
    finish(&world, half, &codes[0]).await.expect(200);
    world
        .post(
            "/api/v1/auth/second-factor/disable",
            &token,
            json!({"password": PASSWORD}),
        )
        .await
        .expect(204);
    let signed_in = events(&world, &format!("action=auth.signed_in&actor={id}")).await;
    assert_eq!(signed_in.len(), before + 1, "{signed_in:?}");
    let failed = events(&world, "action=auth.sign_in_failed").await;
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0]["target"], format!("user:{id}"));
    assert_eq!(
        failed[0]["detail"],
        json!({"locked": false, "second_factor": true})
    );
    let changed = events(&world, "action=auth.second_factor_changed").await;
    let told: Vec<_> = changed
        .iter()
        .map(|event| (&event["actor"], &event["detail"]["enabled"]))
        .collect();
    assert_eq!(
        told,
        [(&json!(id), &json!(false)), (&json!(id), &json!(true))]
    );
}

#[tokio::test]
async fn r18_2_changes_of_permissions_say_who_changed_what() {
    let world = World::new().await;
    let admin = world.admin().await;
    let me = world.get("/api/v1/profile", &admin).await.json();
    let (kim, _) = world.user("kim@example.org", &[]).await;
    let role = json!({"name": "clerk", "permissions": ["products.read"]});
    let role = world
        .post("/api/v1/roles", &admin, role)
        .await
        .expect(201)
        .json();
    let path = format!("/api/v1/roles/{}", role["id"].as_str().unwrap());
    let wider = json!({"name": "clerk", "permissions": ["products.read", "users.read"]});
    world.put(&path, &admin, wider).await.expect(200);
    let pair = json!({"user_id": kim, "role_id": role["id"]});
    for route in ["assign", "assign", "remove", "remove"] {
        world
            .post(&format!("/api/v1/roles/{route}"), &admin, pair.clone())
            .await
            .expect(204);
    }
    world.delete(&path, &admin).await.expect(204);
    let found = events(&world, &format!("actor={}", me["id"].as_str().unwrap())).await;
    let told: Vec<_> = found
        .iter()
        .rev()
        .filter(|event| event["action"].as_str().unwrap().starts_with("role."))
        .map(|event| {
            (
                event["action"].as_str().unwrap(),
                event["target"].clone(),
                event["detail"].clone(),
            )
        })
        .collect();
    let role_target = json!(format!("role:{}", role["id"].as_str().unwrap()));
    let user_target = json!(format!("user:{kim}"));
    let narrow = json!({"name": "clerk", "permissions": ["products.read"]});
    let wide = json!({"name": "clerk", "permissions": ["products.read", "users.read"]});
    assert_eq!(
        told,
        [
            ("role.created", role_target.clone(), narrow.clone()),
            (
                "role.changed",
                role_target.clone(),
                json!({"before": narrow, "after": wide})
            ),
            // Once each: what changes nothing is no event.
            (
                "role.assigned",
                user_target.clone(),
                json!({"role": role["id"]})
            ),
            ("role.removed", user_target, json!({"role": role["id"]})),
            ("role.deleted", role_target, wide),
        ]
    );
}

/// As many permissions as a role may have, each as long as it may be.
fn as_many_as_may_be(letter: char) -> Vec<String> {
    let permission = |n: u32| format!("{letter}{n:039}.{}", "x".repeat(40));
    (0..200).map(permission).collect()
}

/// None is left out: what an event did not name would be hidden.
#[tokio::test]
async fn r18_2_the_largest_role_is_noted_whole() {
    let world = World::new().await;
    let admin = world.admin().await;
    let role = |letter| {
        let name = "\u{e9}".repeat(64);
        json!({"name": name, "permissions": as_many_as_may_be(letter)})
    };
    let made = world.post("/api/v1/roles", &admin, role('a')).await;
    let made = made.expect(201).json();
    let path = format!("/api/v1/roles/{}", made["id"].as_str().unwrap());
    world.put(&path, &admin, role('b')).await.expect(200);
    world.delete(&path, &admin).await.expect(204);
    let target = format!("target=role:{}", made["id"].as_str().unwrap());
    let details: Vec<_> = events(&world, &target)
        .await
        .iter()
        .rev()
        .map(|event| event["detail"].clone())
        .collect();
    let changed = json!({"before": role('a'), "after": role('b')});
    assert_eq!(details, [role('a'), changed, role('b')]);
}

#[tokio::test]
async fn r18_3_reading_somebody_elses_record_is_noted_and_ones_own_is_not() {
    let world = World::new().await;
    let (kim, _) = world.user("kim@example.org", &[]).await;
    let (reader, token) = world.user("reader@example.org", &["users.read"]).await;
    world
        .get(&format!("/api/v1/users/{kim}"), &token)
        .await
        .expect(200);
    world
        .get(&format!("/api/v1/users/{reader}"), &token)
        .await
        .expect(200);
    world.get("/api/v1/users", &token).await.expect(200);
    let found = events(&world, &format!("actor={reader}")).await;
    let told: Vec<_> = found
        .iter()
        .rev()
        .filter(|event| event["action"].as_str().unwrap().starts_with("user."))
        .map(|event| (event["action"].clone(), event["target"].clone()))
        .collect();
    assert_eq!(
        told,
        [
            (json!("user.read"), json!(format!("user:{kim}"))),
            (json!("user.listed"), json!(null)),
        ]
    );
    assert_eq!(
        found.iter().find(|e| e["action"] == "user.listed").unwrap()["detail"]["returned"],
        3
    );
}

#[tokio::test]
async fn users_are_noted_by_the_names_of_what_changed_and_never_by_values() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (kim, _) = world.user("kim@example.org", &[]).await;
    let body = json!({"email": "kimberly@example.org", "first_name": "Kim", "last_name": "Roe", "is_active": false});
    let path = format!("/api/v1/users/{kim}");
    world.put(&path, &admin, body).await.expect(200);
    world.delete(&path, &admin).await.expect(204);
    let found = events(&world, &format!("target=user:{kim}")).await;
    let told: Vec<_> = found
        .iter()
        .rev()
        .map(|event| {
            (
                event["action"].as_str().unwrap(),
                event["detail"]["changed"].clone(),
            )
        })
        .collect();
    let changed = json!(["email", "last_name", "is_active"]);
    assert_eq!(
        told,
        [
            ("user.created", json!(null)),
            ("user.changed", changed),
            ("user.deleted", json!(null)),
        ]
    );
    let everything = serde_json::to_string(&found).unwrap();
    assert!(!everything.contains("kimberly") && !everything.contains("Roe"));
}

#[tokio::test]
async fn an_effect_that_is_rolled_back_leaves_no_event() {
    let world = World::new().await;
    let admin = world.admin().await;
    let role = json!({"name": "twice", "permissions": []});
    world
        .post("/api/v1/roles", &admin, role.clone())
        .await
        .expect(201);
    world
        .post("/api/v1/roles", &admin, role)
        .await
        .refused(409, "DUPLICATE_NAME");
    let noted = events(&world, "action=role.created").await;
    let twice = noted
        .iter()
        .filter(|event| event["detail"]["name"] == "twice");
    assert_eq!(twice.count(), 1, "{noted:?}");
}

#[tokio::test]
async fn api_keys_and_ended_sessions_are_noted() {
    let world = World::new().await;
    let (id, token) = world.user("kim@example.org", &["products.read"]).await;
    world.signed_in("kim@example.org").await;
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    let body = json!({"name": "till", "scopes": ["products.read"], "expires_at": until});
    let made = world
        .post("/api/v1/api-keys", &token, body)
        .await
        .expect(201)
        .json();
    let key = made["id"].as_str().unwrap().to_owned();
    world
        .delete(&format!("/api/v1/api-keys/{key}"), &token)
        .await
        .expect(204);
    world.delete("/api/v1/sessions", &token).await.expect(204);
    let found = events(&world, &format!("actor={id}")).await;
    let told: Vec<_> = found
        .iter()
        .rev()
        .skip_while(|e| e["action"] != "api_key.created")
        .map(|event| {
            (
                event["action"].as_str().unwrap(),
                event["target"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("api_key.created", format!("api_key:{key}")),
            ("api_key.revoked", format!("api_key:{key}")),
            ("auth.session_revoked", format!("user:{id}")),
        ]
    );
    assert!(
        !serde_json::to_string(&found)
            .unwrap()
            .contains(made["key"].as_str().unwrap())
    );
}
