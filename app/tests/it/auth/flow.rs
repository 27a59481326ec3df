//! The ordinary way: sign in, look, change, sign out.

use serde_json::json;

use crate::world::{ADMIN, PASSWORD, World, access};

#[tokio::test]
async fn a_user_signs_in_reads_and_changes_the_profile_and_signs_out() {
    let world = World::new().await;
    let answer = world.signed_in(ADMIN).await;
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["user"]["email"], ADMIN);
    assert_eq!(answer["user"]["roles"], json!(["admin"]));
    assert!(answer["user"].get("password_hash").is_none());
    let ends: jiff::Timestamp = answer["expires_at"].as_str().unwrap().parse().unwrap();
    let left = (ends - jiff::Timestamp::now()).get_seconds();
    assert!((14 * 60..=15 * 60).contains(&left), "{left}");

    let token = access(&answer);
    let profile = world
        .get("/api/v1/profile", &token)
        .await
        .expect(200)
        .json();
    assert_eq!(profile["permissions"], json!(["*"]));
    let body = json!({"first_name": "Ada", "last_name": "L."});
    let changed = world
        .put("/api/v1/profile", &token, body)
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&changed["first_name"], &changed["version"]),
        (&json!("Ada"), &json!(2))
    );

    world
        .post("/api/v1/auth/logout", &token, json!({}))
        .await
        .expect(204);
    world
        .get("/api/v1/profile", &token)
        .await
        .refused(401, "TOKEN_REVOKED");
    let refresh = answer["refresh_token"].as_str().unwrap();
    world.refresh(refresh).await.refused(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn another_session_of_the_same_user_survives_a_sign_out() {
    let world = World::new().await;
    let (one, other) = (world.admin().await, world.admin().await);
    world
        .post("/api/v1/auth/logout", &one, json!({}))
        .await
        .expect(204);
    world
        .get("/api/v1/profile", &one)
        .await
        .refused(401, "TOKEN_REVOKED");
    world.get("/api/v1/profile", &other).await.expect(200);
}

#[tokio::test]
async fn the_email_is_matched_whatever_its_case() {
    let world = World::new().await;
    world
        .login(" ADMIN@Example.ORG ", PASSWORD)
        .await
        .expect(200);
}

/// bcrypt, which the first design had, takes no notice of what follows the 72nd byte.
#[tokio::test]
async fn a_long_password_counts_to_its_last_byte() {
    let world = World::new().await;
    let admin = world.admin().await;
    let random = || uuid::Uuid::new_v4().simple().to_string();
    let password: String = std::iter::repeat_with(random).take(4).collect();
    assert_eq!(password.len(), 128);
    let body = json!({"email": "kim@example.org", "first_name": "Kim", "last_name": "Doe", "password": password});
    world.post("/api/v1/users", &admin, body).await.expect(201);
    let other_at = |place: usize| {
        let mut other = password.clone();
        other.replace_range(place..=place, "x");
        other
    };
    for wrong in [other_at(100), other_at(127), password[..72].to_owned()] {
        let answer = world.login("kim@example.org", &wrong).await;
        answer.refused(401, "INVALID_CREDENTIALS");
    }
    world.login("kim@example.org", &password).await.expect(200);
}

#[tokio::test]
async fn only_the_newest_sessions_are_kept() {
    let world = World::new().await;
    let first = world.admin().await;
    for _ in 0..20 {
        world.admin().await;
    }
    // Known to the process's cache for a moment longer; the database has the word.
    world.state.sessions.forget_all();
    world
        .get("/api/v1/profile", &first)
        .await
        .refused(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn what_cannot_be_a_sign_in_is_refused_by_field() {
    let world = World::new().await;
    let answer = world.login("", "").await;
    answer.refused(400, "VALIDATION_ERROR");
    let pointers: Vec<_> = answer.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(pointers, ["#/email", "#/password"]);
    world
        .login(ADMIN, &"x".repeat(1_025))
        .await
        .refused(400, "VALIDATION_ERROR");
}
