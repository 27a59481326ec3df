//! No secret ever leaves (I-04): values planted as passwords, keys and URLs are looked for in
//! everything that this process logs at the finest level, and in every answer.

use std::sync::LazyLock;

use http::Method;
use serde_json::{Value, json};

use crate::log::LOG;
use crate::second_factor::{challenge, code, switch_on};
use crate::world::{ADMIN, Answer, PASSWORD, World, access, call_with};

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
    appear_nowhere(&planted, &answers);
}

/// None of `planted` is in the log or in one of `answers`.
fn appear_nowhere(planted: &[String], answers: &[Answer]) {
    let log = LOG.text();
    assert!(log.len() > 10_000, "the log was captured");
    for secret in planted {
        assert!(!log.contains(secret), "a log line holds {secret}");
        for answer in answers {
            assert!(
                !answer.text.contains(secret),
                "an answer holds {secret}: {}",
                answer.text
            );
        }
    }
}

/// Uses an API key as it should be and as it should not; the answers, and what of the key is secret.
async fn with_a_key(world: &World, token: &str) -> (Vec<Answer>, String) {
    let (id, key) = crate::api_keys::key(world, token, &["users.read"]).await;
    let mut answers = vec![
        world.get("/api/v1/users", &key).await.expect(200),
        world.get("/api/v1/roles", &key).await.expect(403),
        world.get("/api/v1/api-keys", token).await.expect(200),
        world.refresh(&key).await.expect(401),
        world.login(ADMIN, &key).await.expect(401),
    ];
    let in_the_query = format!("/api/v1/users?token={key}");
    answers.push(world.get(&in_the_query, token).await.expect(400));
    let path = format!("/api/v1/api-keys/{id}");
    answers.push(world.delete(&path, token).await.expect(204));
    answers.push(world.get("/api/v1/users", &key).await.expect(401));
    // What stands before it may be shown.
    (answers, key[16..59].to_owned())
}

/// Goes on with half a sign-in, under an id by which its lines are found.
async fn finish(world: &World, challenge: &str, code: &str, id: &str) -> Answer {
    let route = (Method::POST, "/api/v1/auth/login/second-factor");
    let body = json!({"challenge_token": challenge, "code": code});
    let headers = [("x-request-id", id)];
    call_with(&world.router, route, "", &headers, Some(&body)).await
}

/// Whether `word` stands by itself in a text of the line, whose time does not count: six digits are in many.
fn says(line: &Value, word: &str) -> bool {
    let stands = |text: &str| {
        let mut words = text.split(|c: char| !c.is_alphanumeric());
        words.any(|part| part == word)
    };
    match line {
        Value::String(text) => stands(text),
        Value::Array(values) => values.iter().any(|value| says(value, word)),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| name != "timestamp" && says(value, word)),
        _ => false,
    }
}

#[test]
fn a_code_in_a_line_is_found() {
    let line = json!({"timestamp": "12:00:00.123456Z", "fields": ["Secret(\"234567\")", 345_678]});
    assert!(says(&line, "234567"));
    assert!(!says(&line, "123456") && !says(&line, "34567"));
}

#[tokio::test]
async fn i04_keys_and_second_factors_appear_in_no_log_and_no_later_answer() {
    LazyLock::force(&LOG);
    let world = World::new().await;
    let token = world.admin().await;
    let (mut answers, key) = with_a_key(&world, &token).await;

    let (secret, recovery) = switch_on(&world, &token).await;
    let half = challenge(&world).await;
    answers.push(world.get("/api/v1/profile", &half).await.expect(401));
    let wrong = finish(&world, &half, &half, "canary-wrong").await;
    answers.push(wrong.expect(401));
    let lost = finish(&world, &half, &recovery[0], "canary-lost").await;
    answers.push(lost.expect(200));
    let other = challenge(&world).await;
    let code = code(&secret, 0);
    let shown = finish(&world, &other, &code, "canary-shown").await;
    answers.push(shown.expect(200));
    let again = challenge(&world).await;
    let used = finish(&world, &again, &code, "canary-used").await;
    assert!(!says(&used.json(), &code), "{}", used.text);
    answers.push(used.expect(401));

    let mut planted = vec![key, secret, half, other, again];
    planted.extend(recovery.iter().map(|code| code.replace('-', "")));
    planted.extend(recovery);
    appear_nowhere(&planted, &answers);
    for id in ["canary-shown", "canary-used"] {
        let lines = LOG.lines_with(id);
        assert!(!lines.is_empty(), "{id} is in no line");
        for line in lines {
            assert!(!says(&line, &code), "{line}");
        }
    }
}
