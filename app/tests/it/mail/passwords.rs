//! Changing a password, and setting one with a code from a mail.

use serde_json::{Value, json};

use super::sink::{Mood, code};
use super::{Post, noted, once, waiting};
use crate::sql::execute;
use crate::world::{ADMIN, Answer, PASSWORD, SETTINGS, World, access};

const NEW: &str = "violet badgers whistle opera";

async fn change(world: &World, token: &str, current: &str, new: &str) -> Answer {
    let body = json!({"current_password": current, "new_password": new});
    world
        .post("/api/v1/auth/change-password", token, body)
        .await
}

async fn reset(world: &World, token: &str, new: &str) -> Answer {
    let body = json!({"token": token, "new_password": new});
    world.post("/api/v1/auth/reset-password", "", body).await
}

fn field(answer: &Answer) -> (Value, Value) {
    answer.refused(400, "VALIDATION_ERROR");
    let error = &answer.json()["errors"][0];
    (error["pointer"].clone(), error["code"].clone())
}

#[tokio::test]
async fn a_changed_password_ends_every_other_session_and_is_told_to_the_owner() {
    let post = Post::new(Mood::Takes).await;
    let world = &post.world;
    let other = world.signed_in(ADMIN).await;
    let here = world.admin().await;
    change(world, &here, PASSWORD, NEW).await.expect(204);
    world.get("/api/v1/users", &here).await.expect(200);
    world
        .get("/api/v1/users", &access(&other))
        .await
        .refused(401, "TOKEN_REVOKED");
    let refresh = other["refresh_token"].as_str().unwrap();
    world.refresh(refresh).await.refused(401, "TOKEN_REVOKED");
    world
        .login(ADMIN, PASSWORD)
        .await
        .refused(401, "INVALID_CREDENTIALS");
    world.login(ADMIN, NEW).await.expect(200);
    let mail = post.sink.mail(1).await;
    assert!(
        mail.contains("Subject: Your password was changed"),
        "{mail}"
    );
    assert!(mail.contains(&format!("To: {ADMIN}")), "{mail}");
    assert!(!mail.contains(NEW));
    let id = other["user"]["id"].as_str().unwrap();
    assert_eq!(noted(world, &here, "auth.password_changed").await, once(id));
    assert!(noted(world, &here, "auth.password_reset").await.is_empty());
}

#[tokio::test]
async fn a_password_is_not_changed_without_the_current_one_or_to_a_weak_one() {
    let world = World::new().await;
    let here = world.admin().await;
    let answer = change(&world, &here, "wrong horse battery", NEW).await;
    answer.refused(401, "INVALID_CREDENTIALS");
    assert!(answer.json()["unlock_at"].is_string());
    let answer = change(&world, &here, PASSWORD, "short").await;
    assert_eq!(
        field(&answer),
        (json!("#/new_password"), json!("too_short"))
    );
    let answer = change(&world, &here, PASSWORD, "admin@example").await;
    assert_eq!(
        field(&answer),
        (json!("#/new_password"), json!("weak_password"))
    );
    world.login(ADMIN, PASSWORD).await.expect(200);
    assert_eq!(waiting(&world).await, 0);
    assert!(
        noted(&world, &here, "auth.password_changed")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn p10_a_stolen_session_is_no_way_to_guess_the_password() {
    let world = World::new().await;
    let here = world.admin().await;
    for _ in 0..5 {
        change(&world, &here, "wrong horse battery", NEW)
            .await
            .refused(401, "INVALID_CREDENTIALS");
    }
    change(&world, &here, PASSWORD, NEW)
        .await
        .refused(401, "INVALID_CREDENTIALS");
    world
        .login(ADMIN, NEW)
        .await
        .refused(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn a_forgotten_password_is_set_with_a_code_that_is_good_once() {
    let post = Post::new(Mood::Takes).await;
    let world = &post.world;
    let (id, token) = world.user("kim@example.org", &["users.read"]).await;
    let verification = code(&post.sink.mail(1).await);
    world.forgot(" KIM@example.org ").await.expect(202);
    let mail = post.sink.mail(2).await;
    assert!(mail.contains("Subject: Set a new password") && mail.contains("To: kim@example.org"));
    let code = code(&mail);
    assert!(
        mail.replace("=\n", "")
            .contains("https://erp.example.org/reset-password#token")
    );

    // A code for something else, one that was made up, and a weak password.
    let spent = (json!("#/token"), json!("invalid_token"));
    assert_eq!(field(&reset(world, &verification, NEW).await), spent);
    assert_eq!(field(&reset(world, "x", NEW).await), spent);
    assert_eq!(
        field(&reset(world, &code, "password1234").await).0,
        "#/new_password"
    );

    reset(world, &code, NEW).await.expect(204);
    assert_eq!(field(&reset(world, &code, PASSWORD).await), spent);
    world
        .get("/api/v1/users", &token)
        .await
        .refused(401, "TOKEN_REVOKED");
    world
        .login("kim@example.org", PASSWORD)
        .await
        .refused(401, "INVALID_CREDENTIALS");
    let answer = world.login("kim@example.org", NEW).await.expect(200).json();
    // The mail was read: the address is theirs.
    assert_eq!(answer["user"]["email_verified"], true);
    let told = post.sink.mail(3).await;
    assert!(
        told.contains("Subject: Your password was changed"),
        "{told}"
    );
    // Noted once, for all the codes that opened nothing; a reset is no change by who knew the old one.
    let admin = world.admin().await;
    assert_eq!(noted(world, &admin, "auth.password_reset").await, once(&id));
    assert!(
        noted(world, &admin, "auth.password_changed")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_reset_opens_a_lock_and_a_code_lasts_half_an_hour() {
    let post = Post::new(Mood::Takes).await;
    let world = &post.world;
    for _ in 0..5 {
        world
            .login(ADMIN, "wrong horse battery")
            .await
            .refused(401, "INVALID_CREDENTIALS");
    }
    post.sink.mail(1).await;
    world.forgot(ADMIN).await.expect(202);
    let old = code(&post.sink.mail(2).await);
    execute(world, "UPDATE email_tokens SET expires_at = now()").await;
    assert_eq!(field(&reset(world, &old, NEW).await).0, "#/token");
    world.forgot(ADMIN).await.expect(202);
    let code = code(&post.sink.mail(3).await);
    let life: f64 = sqlx::query_scalar(
        "SELECT extract(epoch FROM max(expires_at) - now())::float8 FROM email_tokens",
    )
    .fetch_one(&world.state.database.pool())
    .await
    .unwrap();
    assert!((1_700.0..=1_800.0).contains(&life), "{life}");
    reset(world, &code, NEW).await.expect(204);
    world.login(ADMIN, NEW).await.expect(200);
}

/// Whoever reads the mails of an address that is the user's no longer has no way to their account.
#[tokio::test]
async fn a_code_is_spent_once_its_address_is_the_users_no_longer() {
    let post = Post::new(Mood::Takes).await;
    let world = &post.world;
    let (id, _) = world.user("kim@example.org", &[]).await;
    post.sink.mail(1).await;
    world.forgot("kim@example.org").await.expect(202);
    let old = code(&post.sink.mail(2).await);
    let admin = world.admin().await;
    let moved =
        json!({"email": "kim@example.net", "first_name": "K", "last_name": "D", "is_active": true});
    world
        .put(&format!("/api/v1/users/{id}"), &admin, moved)
        .await
        .expect(200);
    // Told at either address.
    post.sink.mail(4).await;
    let spent = (json!("#/token"), json!("invalid_token"));
    assert_eq!(field(&reset(world, &old, NEW).await), spent);
    let answer = world.login("kim@example.net", PASSWORD).await.expect(200);
    assert_eq!(answer.json()["user"]["email_verified"], false);
    world.forgot("kim@example.net").await.expect(202);
    let new = code(&post.sink.mail(5).await);
    reset(world, &new, NEW).await.expect(204);
    world.login("kim@example.net", NEW).await.expect(200);
}

#[tokio::test]
async fn a_changed_password_spends_the_codes_that_were_sent_before() {
    let post = Post::new(Mood::Takes).await;
    let world = &post.world;
    let here = world.admin().await;
    world.user("kim@example.org", &[]).await;
    post.sink.mail(1).await;
    for (number, email) in [(2, ADMIN), (3, "kim@example.org")] {
        world.forgot(email).await.expect(202);
        post.sink.mail(number).await;
    }
    let sent = post.sink.mails();
    let (own, kims) = (code(&sent[1]), code(&sent[2]));
    change(world, &here, PASSWORD, NEW).await.expect(204);
    let other = "amber foxes juggle marble";
    let spent = (json!("#/token"), json!("invalid_token"));
    assert_eq!(field(&reset(world, &own, other).await), spent);
    world.login(ADMIN, NEW).await.expect(200);
    // Those of others are as good as before.
    reset(world, &kims, other).await.expect(204);
}

#[tokio::test]
async fn the_answer_to_a_forgotten_password_tells_nothing() {
    let mut post = Post::new(Mood::Takes).await;
    post.stop();
    let world = &post.world;
    let (id, _) = world.user("off@example.org", &[]).await;
    let admin = world.admin().await;
    let off = json!({"email": "off@example.org", "first_name": "O", "last_name": "F", "is_active": false});
    world
        .put(&format!("/api/v1/users/{id}"), &admin, off)
        .await
        .expect(200);
    execute(world, "DELETE FROM outbox").await;
    let mut answers = Vec::new();
    for email in [ADMIN, "nobody@example.org", "off@example.org"] {
        let answer = world.forgot(email).await.expect(202);
        let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        names.sort();
        answers.push((answer.text, names));
    }
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "{answers:?}"
    );
    assert_eq!(post.waiting().await, 3, "each is written down alike");
    post.start();
    post.nothing_waits().await;
    assert_eq!(post.sink.mails().len(), 1);
    assert!(post.sink.mails()[0].contains(&format!("To: {ADMIN}")));
    let answer = post.world.forgot("nobody").await;
    assert_eq!(field(&answer).0, "#/email");
}

#[tokio::test]
async fn nobody_is_flooded_with_resets() {
    let post = Post::new(Mood::Takes).await;
    for _ in 0..6 {
        post.world.forgot(ADMIN).await.expect(202);
        post.nothing_waits().await;
    }
    assert_eq!(post.sink.mails().len(), 3);
    let yaml = SETTINGS.replace("login_per_ip: 0", "login_per_ip: 5");
    let world = World::with(&yaml, None).await;
    for n in 0..5 {
        world.forgot(&format!("u{n}@example.org")).await.expect(202);
    }
    let answer = world.forgot(ADMIN).await;
    answer.refused(429, "RATE_LIMIT_EXCEEDED");
    assert!(answer.headers.contains_key("retry-after"));
    // Signing in has a share of its own.
    world.login(ADMIN, PASSWORD).await.expect(200);
    for _ in 0..5 {
        reset(&world, "x", NEW)
            .await
            .refused(400, "VALIDATION_ERROR");
    }
    reset(&world, "x", NEW)
        .await
        .refused(429, "RATE_LIMIT_EXCEEDED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_two_use_at_once_is_good_for_one_of_them() {
    let post = Post::new(Mood::Takes).await;
    post.world.forgot(ADMIN).await.expect(202);
    let code = code(&post.sink.mail(1).await);
    let world = &post.world;
    let (one, other) = tokio::join!(
        reset(world, &code, NEW),
        reset(world, &code, "amber foxes juggle marble")
    );
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 400]);
}

#[tokio::test]
async fn no_code_is_stored_in_clear() {
    let post = Post::new(Mood::Takes).await;
    post.world.forgot(ADMIN).await.expect(202);
    let code = code(&post.sink.mail(1).await);
    for table in ["outbox", "email_tokens"] {
        let sql = format!("SELECT COALESCE(string_agg(t::text, ' '), '') FROM {table} t");
        let dump: String = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(&post.world.state.database.pool())
            .await
            .unwrap();
        assert!(!dump.contains(&code), "{table}: {dump}");
    }
}
