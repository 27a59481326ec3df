//! No secret ever leaves (I-04): values planted as passwords, keys and URLs are looked for in
//! everything that this process logs at the finest level, and in every answer.

use std::sync::LazyLock;

use http::Method;
use serde_json::json;

use crate::log::LOG;
use crate::world::{ADMIN, Answer, PASSWORD, World, access};

#[tokio::test]
async fn i04_planted_secrets_appear_in_no_log_and_no_answer() {
    LazyLock::force(&LOG);
    let (redis, world) = World::with_redis().await;
    let canary = "canary-Zq81vWx0-correct-horse";
    let mut answers: Vec<Answer> = Vec::new();
    let signed_in = world.signed_in(ADMIN).await;
    let token = access(&signed_in);
    let refresh = signed_in["refresh_token"].as_str().unwrap().to_owned();
    let user = json!({"email": "kim@example.org", "first_name": "Kim", "last_name": "Doe", "password": canary});
    answers.push(world.post("/api/v1/users", &token, user.clone()).await);
    answers.push(world.post("/api/v1/users", &token, user).await);
    answers.push(
        world
            .post(
                "/api/v1/users",
                &token,
                json!({"email": canary, "password": canary}),
            )
            .await,
    );
    answers.push(
        world
            .post("/api/v1/users", &token, json!({"password": [canary]}))
            .await,
    );
    answers.push(world.post("/api/v1/users", &token, json!({"email": "a@b.org", "first_name": "A", "last_name": "B", "password": "canary-Zq8"})).await);
    answers.push(
        world
            .login("kim@example.org", "canary-Zq81vWx0-wrong-horse")
            .await,
    );
    answers.push(
        world
            .get(&format!("/api/v1/users?token={canary}"), &token)
            .await,
    );
    answers.push(world.get("/api/v1/profile", canary).await);
    answers.push(world.refresh(canary).await);
    answers.push(world.get("/metrics", "").await);
    answers.push(world.get("/health/ready", "").await);
    // A database error with a value in it.
    world.state.database.pool().close().await;
    answers.push(world.get("/api/v1/users", &token).await);
    answers.push(
        world
            .call(
                Method::POST,
                "/api/v1/auth/refresh",
                "",
                Some(json!({"refresh_token": refresh})),
            )
            .await,
    );

    let set = world.state.keyring.current();
    let mut planted = vec!["canary-Zq8".to_owned(), PASSWORD.to_owned(), token, refresh];
    planted.push(redis.password().to_owned());
    planted.extend(
        set.keys
            .versions()
            .map(|(_, _, version)| version.value.expose_secret().to_owned()),
    );
    let log = LOG.text();
    assert!(log.len() > 10_000, "the log was captured");
    for secret in planted {
        assert!(!log.contains(&secret), "a log line holds {secret}");
        for answer in &answers {
            assert!(
                !answer.text.contains(&secret),
                "an answer holds {secret}: {}",
                answer.text
            );
        }
    }
}
