//! The second factor: switched on, asked for, used up, switched off.

use jiff::Timestamp;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use crate::world::{ADMIN, Answer, PASSWORD, World, access};

const BASE: &str = "/api/v1/auth/second-factor";

fn totp(secret: &str) -> Totp {
    let secret = Secret::try_from_base32(secret).unwrap();
    Builder::new().with_secret(secret).build().unwrap()
}

/// The code that the app shows `steps` from now.
pub fn code(secret: &str, steps: i64) -> String {
    let now = Timestamp::now().as_second() + steps * 30;
    totp(secret)
        .generate(u64::try_from(now).unwrap())
        .to_string()
}

pub async fn enrol(world: &World, token: &str) -> String {
    let body = json!({"password": PASSWORD});
    let made = world
        .post(&format!("{BASE}/enrol"), token, body)
        .await
        .expect(200)
        .json();
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(made["url"].as_str().unwrap().contains(&secret));
    secret
}

async fn confirm(world: &World, token: &str, code: &str) -> Answer {
    world
        .post(&format!("{BASE}/confirm"), token, json!({"code": code}))
        .await
}

/// Confirms it, with the current code left: as if the one of the step before had been used for it. That one
/// itself would be too old when a step begins meanwhile.
async fn confirmed(world: &World, token: &str, secret: &str) -> Value {
    let answer = confirm(world, token, &code(secret, 0)).await;
    sqlx::query(
        "UPDATE second_factors SET last_step = last_step - 1
         WHERE confirmed_at = (SELECT max(confirmed_at) FROM second_factors)",
    )
    .execute(&world.state.database.pool())
    .await
    .unwrap();
    answer.expect(200).json()
}

/// Switches it on; the answer is the secret and the recovery codes. The current code is left.
pub async fn switch_on(world: &World, token: &str) -> (String, Vec<String>) {
    let secret = enrol(world, token).await;
    let codes = confirmed(world, token, &secret).await;
    let codes = codes["recovery_codes"].as_array().unwrap().iter();
    (
        secret,
        codes
            .map(|code| code.as_str().unwrap().to_owned())
            .collect(),
    )
}

/// Half a sign-in: what it is gone on with.
pub async fn challenge(world: &World) -> String {
    let half = world.login(ADMIN, PASSWORD).await.expect(202).json();
    assert!(
        half.get("access_token").is_none() && half.get("user").is_none(),
        "{half}"
    );
    half["challenge_token"].as_str().unwrap().to_owned()
}

/// Goes on with half a sign-in.
pub async fn finish(world: &World, challenge: &str, code: &str) -> Answer {
    let body = json!({"challenge_token": challenge, "code": code});
    world
        .post("/api/v1/auth/login/second-factor", "", body)
        .await
}

async fn state(world: &World, token: &str) -> Value {
    world.get(BASE, token).await.expect(200).json()
}

#[tokio::test]
async fn a_sign_in_asks_for_the_factor_once_it_is_confirmed() {
    let world = World::new().await;
    let token = world.admin().await;
    let secret = enrol(&world, &token).await;
    // Not confirmed: nothing has changed.
    world.login(ADMIN, PASSWORD).await.expect(200);
    let wrong = confirm(&world, &token, "000000").await;
    wrong.refused(400, "VALIDATION_ERROR");
    assert_eq!(wrong.json()["errors"][0]["pointer"], "#/code");
    confirmed(&world, &token, &secret).await;
    assert_eq!(
        state(&world, &token).await,
        json!({"enabled": true, "recovery_codes_left": 10})
    );
    confirm(&world, &token, &code(&secret, 0))
        .await
        .refused(409, "CONFLICT");

    let half = challenge(&world).await;
    world
        .get("/api/v1/profile", &half)
        .await
        .refused(401, "TOKEN_INVALID");
    world.refresh(&half).await.refused(401, "TOKEN_INVALID");
    let answer = finish(&world, &half, &code(&secret, 0))
        .await
        .expect(200)
        .json();
    world
        .get("/api/v1/profile", &access(&answer))
        .await
        .expect(200);
    // Good once, like the code.
    finish(&world, &half, &code(&secret, 1))
        .await
        .refused(401, "TOKEN_INVALID");
    // The session that was there goes on.
    world.get("/api/v1/profile", &token).await.expect(200);
}

#[tokio::test]
async fn a_code_that_was_used_is_refused_while_its_window_is_open() {
    let world = World::new().await;
    let token = world.admin().await;
    let (secret, _) = switch_on(&world, &token).await;
    let used = code(&secret, 0);
    let half = challenge(&world).await;
    finish(&world, &half, &used).await.expect(200);
    let half = challenge(&world).await;
    finish(&world, &half, &used)
        .await
        .refused(401, "INVALID_CREDENTIALS");
    // An older one, which was never used, is no way around it.
    finish(&world, &half, &code(&secret, -1))
        .await
        .refused(401, "INVALID_CREDENTIALS");
    finish(&world, &half, &code(&secret, 1)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_two_use_at_once_is_good_for_one_of_them() {
    let world = World::new().await;
    let token = world.admin().await;
    let (secret, _) = switch_on(&world, &token).await;
    let (one, other) = (challenge(&world).await, challenge(&world).await);
    let code = code(&secret, 0);
    let (one, other) = tokio::join!(finish(&world, &one, &code), finish(&world, &other, &code));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
}

#[tokio::test]
async fn a_recovery_code_stands_in_once() {
    let world = World::new().await;
    let token = world.admin().await;
    let (_, codes) = switch_on(&world, &token).await;
    assert_eq!(codes.len(), 10);
    let half = challenge(&world).await;
    finish(&world, &half, &codes[3].to_uppercase())
        .await
        .expect(200);
    let half = challenge(&world).await;
    finish(&world, &half, &codes[3])
        .await
        .refused(401, "INVALID_CREDENTIALS");
    finish(&world, &half, &codes[4]).await.expect(200);
    assert_eq!(state(&world, &token).await["recovery_codes_left"], 8);
}

#[tokio::test]
async fn p10_who_has_the_password_cannot_guess_the_code() {
    let world = World::new().await;
    let token = world.admin().await;
    let (secret, _) = switch_on(&world, &token).await;
    let right = code(&secret, 0);
    let wrong = if right == "123456" {
        "654321"
    } else {
        "123456"
    };
    // The right password does not begin the count anew, and is no failure itself.
    let half = challenge(&world).await;
    for _ in 0..4 {
        finish(&world, &half, wrong)
            .await
            .refused(401, "INVALID_CREDENTIALS");
    }
    let half = challenge(&world).await;
    finish(&world, &half, wrong)
        .await
        .refused(401, "INVALID_CREDENTIALS");
    let locked = finish(&world, &half, &right).await;
    locked.refused(401, "INVALID_CREDENTIALS");
    assert!(locked.json()["unlock_at"].is_string());
    world
        .login(ADMIN, PASSWORD)
        .await
        .refused(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn a_challenge_lasts_five_minutes_and_a_made_up_one_is_none() {
    let world = World::new().await;
    let token = world.admin().await;
    let (secret, _) = switch_on(&world, &token).await;
    let half = challenge(&world).await;
    let pool = world.state.database.pool();
    let life: f64 = sqlx::query_scalar(
        "SELECT extract(epoch FROM max(expires_at) - now())::float8 FROM login_challenges",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert!((280.0..=300.0).contains(&life), "{life}");
    sqlx::query("UPDATE login_challenges SET expires_at = now()")
        .execute(&pool)
        .await
        .unwrap();
    finish(&world, &half, &code(&secret, 0))
        .await
        .refused(401, "TOKEN_INVALID");
    finish(&world, "x", &code(&secret, 0))
        .await
        .refused(401, "TOKEN_INVALID");
    // Somebody else's session token is none either.
    finish(&world, &token, &code(&secret, 0))
        .await
        .refused(401, "TOKEN_INVALID");
}

#[tokio::test]
async fn a_sign_in_that_the_password_before_began_is_not_finished() {
    let world = World::new().await;
    let token = world.admin().await;
    let (secret, _) = switch_on(&world, &token).await;
    let half = challenge(&world).await;
    let new = "violet badgers whistle opera";
    let body = json!({"current_password": PASSWORD, "new_password": new});
    world
        .post("/api/v1/auth/change-password", &token, body)
        .await
        .expect(204);
    finish(&world, &half, &code(&secret, 0))
        .await
        .refused(401, "TOKEN_INVALID");
    // The code was not used up by it.
    let half = world.login(ADMIN, new).await.expect(202).json();
    let half = half["challenge_token"].as_str().unwrap();
    finish(&world, half, &code(&secret, 0)).await.expect(200);
}

#[tokio::test]
async fn it_is_switched_off_with_the_password_alone_and_the_owner_is_told() {
    let world = World::new().await;
    let token = world.admin().await;
    switch_on(&world, &token).await;
    let off = async |password: &str| {
        let body = json!({"password": password});
        world.post(&format!("{BASE}/disable"), &token, body).await
    };
    off("wrong horse battery")
        .await
        .refused(401, "INVALID_CREDENTIALS");
    let again = world
        .post(
            &format!("{BASE}/enrol"),
            &token,
            json!({"password": PASSWORD}),
        )
        .await;
    again.refused(409, "CONFLICT");
    off(PASSWORD).await.expect(204);
    off(PASSWORD).await.refused(404, "NOT_FOUND");
    assert_eq!(
        state(&world, &token).await,
        json!({"enabled": false, "recovery_codes_left": 0})
    );
    world.login(ADMIN, PASSWORD).await.expect(200);
    let told: Value = sqlx::query_scalar("SELECT facts FROM outbox WHERE kind = 'second_factor'")
        .fetch_one(&world.state.database.pool())
        .await
        .unwrap();
    assert_eq!(told["enabled"], false);
}

#[tokio::test]
async fn the_database_holds_neither_secret_nor_recovery_codes_in_clear() {
    let world = World::new().await;
    let token = world.admin().await;
    let (secret, codes) = switch_on(&world, &token).await;
    let bytes = hex::encode(Secret::try_from_base32(&secret).unwrap().as_ref());
    for table in ["second_factors", "recovery_codes", "login_challenges"] {
        challenge(&world).await;
        let sql = format!("SELECT COALESCE(string_agg(t::text, ' '), '') FROM {table} t");
        let dump: String = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(&world.state.database.pool())
            .await
            .unwrap();
        assert!(!dump.is_empty(), "{table}");
        assert!(!dump.contains(&bytes) && !dump.contains(&secret), "{table}");
        assert!(codes.iter().all(|code| !dump.contains(code)), "{table}");
        world
            .state
            .logins
            .forgive(&erpgo::limits::Identifier::of(ADMIN))
            .await;
    }
    // Moved to another user it does not open: a failure of ours, and no way in.
    let (id, kim) = world.user_without_factor("kim@example.org").await;
    sqlx::query("UPDATE second_factors SET user_id = $1::uuid")
        .bind(&id)
        .execute(&world.state.database.pool())
        .await
        .unwrap();
    let half = world
        .login("kim@example.org", PASSWORD)
        .await
        .expect(202)
        .json();
    let half = half["challenge_token"].as_str().unwrap();
    finish(&world, half, &code(&secret, 0))
        .await
        .refused(500, "INTERNAL_ERROR");
    world.get("/api/v1/profile", &kim).await.expect(200);
}

#[tokio::test]
async fn an_api_key_does_not_reach_the_second_factor() {
    let world = World::new().await;
    let token = world.admin().await;
    let (_, key) = crate::api_keys::key(&world, &token, &["*"]).await;
    world
        .get(BASE, &key)
        .await
        .refused(403, "INSUFFICIENT_SCOPE");
    let body = json!({"password": PASSWORD});
    for verb in ["enrol", "disable"] {
        let answer = world
            .post(&format!("{BASE}/{verb}"), &key, body.clone())
            .await;
        answer.refused(403, "INSUFFICIENT_SCOPE");
    }
}

impl World {
    /// A user made with a token of the administrator from before the factor was switched on.
    async fn user_without_factor(&self, email: &str) -> (String, String) {
        let pool = self.state.database.pool();
        sqlx::query("UPDATE second_factors SET confirmed_at = NULL")
            .execute(&pool)
            .await
            .unwrap();
        let made = self.user(email, &[]).await;
        sqlx::query("UPDATE second_factors SET confirmed_at = now()")
            .execute(&pool)
            .await
            .unwrap();
        made
    }
}
