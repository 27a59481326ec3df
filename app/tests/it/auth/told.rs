//! Whoever is locked out is told of it, and so are those who watch, whatever was tried (R5.4, R5.5, R18.1).

use std::sync::LazyLock;

use erpgo::limits::Identifier;
use erpgo_test_kit::redis;
use serde_json::{Value, json};

use crate::log::LOG;
use crate::program::{Program, administrator, get, post, start};
use crate::second_factor::{code, finish, switch_on};
use crate::world::{ADMIN, Answer, PASSWORD, SETTINGS, World, access};

const WRONG: &str = "wrong horse battery staple";
/// Calls that ask who is signed in for their password once more, and the field that it is in.
const ASKING: [(&str, &str); 4] = [
    ("auth/change-password", "current_password"),
    ("auth/second-factor/enrol", "password"),
    ("auth/second-factor/disable", "password"),
    ("profile/erase", "password"),
];

fn asked(field: &str, password: &str) -> Value {
    let mut body = json!({field: password});
    if field == "current_password" {
        body["new_password"] = "violet badgers whistle opera".into();
    }
    body
}

/// Events of the action with this user's account.
async fn noted(world: &World, action: &str, email: &str) -> Vec<Value> {
    let texts: Vec<String> = sqlx::query_scalar(
        "SELECT detail::text FROM audit_events
         WHERE action = $1 AND target = 'user:' || (SELECT id::text FROM users WHERE email = $2)",
    )
    .bind(action)
    .bind(email)
    .fetch_all(&world.state.database.pool())
    .await
    .unwrap();
    let parsed = texts.iter().map(|text| serde_json::from_str(text).unwrap());
    parsed.collect()
}

async fn mails(world: &World, email: &str) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM outbox WHERE kind = 'lockout' AND address = $1")
        .bind(email)
        .fetch_one(&world.state.database.pool())
        .await
        .unwrap()
}

fn warned(email: &str) -> usize {
    let lines = LOG.lines_with(email);
    let of_locks = lines.iter().filter(|line| line["limit"] == "lockout");
    let of_locks: Vec<_> = of_locks.collect();
    for line in &of_locks {
        assert_eq!(line["level"], "WARN", "{line}");
        assert_eq!(line["identifier"], email, "{line}");
        assert_eq!(line["ip"], "127.0.0.1", "{line}");
    }
    of_locks.len()
}

/// So many events of a lock, mails to its owner and lines of the log.
async fn told(world: &World, email: &str) -> (usize, i64, usize) {
    let locked = noted(world, "auth.locked", email).await.len();
    (locked, mails(world, email).await, warned(email))
}

#[tokio::test]
async fn r05_5_and_r18_1_wrong_passwords_of_a_session_lock_and_are_told_of() {
    LazyLock::force(&LOG);
    let world = World::new().await;
    for (n, (path, field)) in ASKING.into_iter().enumerate() {
        let email = format!("locked-in-session-{n}@example.org");
        let (_, token) = world.user(&email, &[]).await;
        let path = format!("/api/v1/{path}");
        let tries = async |password: &str| {
            let answer = world.post(&path, &token, asked(field, password)).await;
            answer.refused(401, "INVALID_CREDENTIALS");
        };
        for _ in 0..4 {
            tries(WRONG).await;
        }
        assert_eq!(told(&world, &email).await, (0, 0, 0), "{path}");
        tries(WRONG).await;
        assert_eq!(told(&world, &email).await, (1, 1, 1), "{path}");
        let failed = noted(&world, "auth.sign_in_failed", &email).await;
        let detail = json!({"locked": false, "confirmation": true});
        assert_eq!(failed, vec![detail; 4], "{path}");
        // The right one is refused now, there and at a sign-in, and locks nothing anew.
        tries(PASSWORD).await;
        let sign_in = world.login(&email, PASSWORD).await;
        sign_in.refused(401, "INVALID_CREDENTIALS");
        assert_eq!(told(&world, &email).await, (1, 1, 3), "{path}");
    }
}

async fn half(world: &World, email: &str) -> String {
    let half = world.login(email, PASSWORD).await.expect(202).json();
    half["challenge_token"].as_str().unwrap().to_owned()
}

/// With a sign-in before each code: its password is right, and no failure.
#[tokio::test]
async fn r05_5_and_r18_1_wrong_codes_lock_and_are_told_of() {
    LazyLock::force(&LOG);
    let world = World::new().await;
    let email = "locked-by-codes@example.org";
    let (_, token) = world.user(email, &[]).await;
    switch_on(&world, &token).await;
    let tries = async || {
        let half = half(&world, email).await;
        let answer = finish(&world, &half, "none").await;
        answer.refused(401, "INVALID_CREDENTIALS");
        half
    };
    for _ in 0..4 {
        tries().await;
    }
    assert_eq!(told(&world, email).await, (0, 0, 0));
    let half = tries().await;
    assert_eq!(told(&world, email).await, (1, 1, 1));
    // Neither half of a sign-in is open, and neither locks anew.
    let answer = finish(&world, &half, "none").await;
    answer.refused(401, "INVALID_CREDENTIALS");
    let sign_in = world.login(email, PASSWORD).await;
    sign_in.refused(401, "INVALID_CREDENTIALS");
    assert_eq!(told(&world, email).await, (1, 1, 3));
}

#[tokio::test]
async fn p10_a_right_password_is_no_failure_though_the_code_is_yet_to_come() {
    let world = World::new().await;
    let email = "kim@example.org";
    let (_, token) = world.user(email, &[]).await;
    let (secret, _) = switch_on(&world, &token).await;
    for _ in 0..6 {
        half(&world, email).await;
    }
    // Nor does it take back those that were.
    for _ in 0..4 {
        world.login(email, WRONG).await.expect(401);
    }
    let half = half(&world, email).await;
    world.login(email, WRONG).await.expect(401);
    let answer = finish(&world, &half, &code(&secret, 0)).await;
    answer.refused(401, "INVALID_CREDENTIALS");
    assert_eq!(noted(&world, "auth.locked", email).await.len(), 1);
}

/// While the fifth is under way another one is refused; when the fifth is then no failure, it is the next one
/// that locks, and not nobody.
async fn the_one_that_locks_is_known(world: &World) {
    let (logins, name) = (&world.state.logins, Identifier::of("kim@example.org"));
    for _ in 0..4 {
        let attempt = logins.attempt(&name).await;
        assert!(attempt.allowed && !attempt.last);
    }
    let fifth = logins.attempt(&name).await;
    assert!(fifth.allowed && fifth.last);
    let meanwhile = logins.attempt(&name).await;
    assert!(!meanwhile.allowed && !meanwhile.last);
    logins.release(&name, meanwhile).await;
    assert!(!logins.attempt(&name).await.allowed);
    logins.release(&name, fifth).await;
    let next = logins.attempt(&name).await;
    assert!(next.allowed && next.last);
    let locked = logins.attempt(&name).await;
    assert!(!locked.allowed && !locked.last);
    // What became of one that is refused does not open it.
    logins.release(&name, locked).await;
    assert!(!logins.attempt(&name).await.allowed);
}

#[tokio::test]
async fn p10_a_lock_is_never_without_the_attempt_that_began_it_without_redis() {
    the_one_that_locks_is_known(&World::new().await).await;
}

#[tokio::test]
async fn p10_a_lock_is_never_without_the_attempt_that_began_it_by_redis() {
    let redis = redis::server().await;
    let world = World::counting(SETTINGS, &redis.url()).await;
    world.redis_is_listening().await;
    the_one_that_locks_is_known(&world).await;
}

/// The program, whose locks no other test counts.
struct Counted(Program);

impl Counted {
    async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        let bearer = format!("authorization: Bearer {token}\r\n");
        let headers = if token.is_empty() {
            ""
        } else {
            bearer.as_str()
        };
        let path = format!("/api/v1/{path}");
        post(self.0.api, &path, headers, body).await.unwrap()
    }

    async fn login(&self, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        self.post("auth/login", "", &body).await
    }

    /// Sends it five times, of which the fifth locks.
    async fn locks(&self, path: &str, token: &str, body: &Value) {
        let before = self.lockouts().await;
        for number in 1..=5 {
            assert_eq!(self.lockouts().await, before, "{path}, before {number}");
            let answer = self.post(path, token, body).await;
            answer.refused(401, "INVALID_CREDENTIALS");
        }
        assert_eq!(self.lockouts().await, before + 1, "{path}");
        self.post(path, token, body).await.expect(401);
        assert_eq!(self.lockouts().await, before + 1, "{path}");
    }

    async fn lockouts(&self) -> u64 {
        let (_, text) = get(self.0.metrics, "/metrics").await.unwrap();
        let mut lines = text.lines();
        let count = lines.find_map(|line| line.strip_prefix("auth_account_lockouts_total "));
        count.unwrap().parse().unwrap()
    }
}

#[tokio::test]
async fn r11_1_every_lock_is_counted_whatever_was_tried() {
    let database = crate::world::database().await;
    administrator(&database.url(), ADMIN, PASSWORD).await;
    let program = start(&database.url(), SETTINGS);
    program.is_ready().await;
    let program = Counted(program);
    let signed_in = program.login(ADMIN, PASSWORD).await.expect(200).json();
    let token = access(&signed_in);
    let body = json!({"email": "nobody@example.org", "password": WRONG});
    program.locks("auth/login", "", &body).await;

    let body = json!({"password": PASSWORD});
    let made = program
        .post("auth/second-factor/enrol", &token, &body)
        .await;
    let secret = made.expect(200).json()["secret"]
        .as_str()
        .unwrap()
        .to_owned();
    let body = json!({"code": code(&secret, 0)});
    let confirmed = program
        .post("auth/second-factor/confirm", &token, &body)
        .await;
    confirmed.expect(200);
    let half = program.login(ADMIN, PASSWORD).await.expect(202).json();
    let body = json!({"challenge_token": half["challenge_token"], "code": "none"});
    program.locks("auth/login/second-factor", "", &body).await;

    let path = format!("users/{}/unlock", signed_in["user"]["id"].as_str().unwrap());
    program.post(&path, &token, &json!({})).await.expect(204);
    let body = asked("current_password", WRONG);
    program.locks("auth/change-password", &token, &body).await;
}
