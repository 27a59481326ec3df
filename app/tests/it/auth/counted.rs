//! What comes of a sign-in, as it is counted: of its second step as of its first.

use erpgo_test_kit::postgres::TestDatabase;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use crate::program::{Program, administrator, post, start};
use crate::second_factor::code;
use crate::sql::sql;
use crate::world::{ADMIN, Answer, PASSWORD, access};

/// An address has six tries at each step.
const CONFIG: &str = "
auth: { hash_memory_kib: 8, hash_iterations: 1 }
limits: { login_per_ip: 6 }
";
const RESULTS: [&str; 6] = [
    "success",
    "challenged",
    "failure",
    "locked",
    "rate_limited",
    "error",
];

async fn counted(program: &Program) -> [i64; 6] {
    let mut counts = [0; 6];
    for (count, result) in counts.iter_mut().zip(RESULTS) {
        let series = format!("auth_attempts_total{{result=\"{result}\"}}");
        *count = program.metric(&series).await;
    }
    counts
}

async fn call(program: &Program, path: &str, token: &str, body: &Value) -> Answer {
    let headers = match token {
        "" => String::new(),
        token => format!("authorization: Bearer {token}\r\n"),
    };
    let path = format!("/api/v1/auth/{path}");
    post(program.api, &path, &headers, body).await.unwrap()
}

/// What the try answers, after it was counted as `result` and as nothing else.
async fn tried(program: &Program, path: &str, body: &Value, result: Option<&str>) -> Answer {
    let mut expected = counted(program).await;
    let answer = call(program, path, "", body).await;
    for (count, one) in expected.iter_mut().zip(RESULTS) {
        *count += i64::from(result == Some(one));
    }
    assert_eq!(counted(program).await, expected, "{path}: {}", answer.text);
    answer
}

/// Switches the administrator's second factor on, with the current code left, and gives its secret.
async fn switched_on(program: &Program, connection: &mut PgConnection) -> String {
    let body = json!({"email": ADMIN, "password": PASSWORD});
    let signed_in = tried(program, "login", &body, Some("success")).await;
    let token = access(&signed_in.expect(200).json());
    let body = json!({"password": PASSWORD});
    let made = call(program, "second-factor/enrol", &token, &body).await;
    let secret = made.expect(200).json()["secret"]
        .as_str()
        .unwrap()
        .to_owned();
    let body = json!({"code": code(&secret, 0)});
    let confirmed = call(program, "second-factor/confirm", &token, &body).await;
    confirmed.expect(200);
    sql(
        connection,
        "UPDATE second_factors SET last_step = last_step - 1",
    )
    .await;
    secret
}

/// Half a sign-in, and the program on a database of its own.
async fn half_signed_in(
    database: &TestDatabase,
    connection: &mut PgConnection,
) -> (Program, Value, String) {
    administrator(&database.url(), ADMIN, PASSWORD).await;
    let program = start(&database.url(), CONFIG);
    program.is_ready().await;
    let secret = switched_on(&program, connection).await;
    let body = json!({"email": ADMIN, "password": PASSWORD});
    let half = tried(&program, "login", &body, Some("challenged")).await;
    let challenge = half.expect(202).json()["challenge_token"].clone();
    (program, challenge, secret)
}

#[tokio::test]
async fn r11_1_every_second_step_is_counted_as_what_it_came_to() {
    const STEP: &str = "login/second-factor";
    let database = crate::world::database().await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    let (program, challenge, secret) = half_signed_in(&database, &mut connection).await;
    let with = |code: &str| json!({"challenge_token": challenge, "code": code});
    // A challenge that nobody has is a try at nobody.
    let unknown = json!({"challenge_token": "nobodys", "code": "none"});
    let answer = tried(&program, STEP, &unknown, None).await;
    answer.refused(401, "TOKEN_INVALID");
    let answer = tried(&program, STEP, &with("none"), Some("failure")).await;
    answer.refused(401, "INVALID_CREDENTIALS");
    // Before the attempt is counted, and after.
    for table in ["login_challenges", "second_factors"] {
        sql(
            &mut connection,
            &format!("ALTER TABLE {table} RENAME TO away"),
        )
        .await;
        let answer = tried(&program, STEP, &with(&code(&secret, 0)), Some("error")).await;
        answer.refused(500, "INTERNAL_ERROR");
        sql(
            &mut connection,
            &format!("ALTER TABLE away RENAME TO {table}"),
        )
        .await;
    }
    let answer = tried(&program, STEP, &with(&code(&secret, 0)), Some("success")).await;
    answer.expect(200);
    // The challenge is used up, and the sixth try the last.
    let answer = tried(&program, STEP, &with(&code(&secret, 0)), None).await;
    answer.refused(401, "TOKEN_INVALID");
    let answer = tried(&program, STEP, &with("none"), Some("rate_limited")).await;
    answer.refused(429, "RATE_LIMIT_EXCEEDED");
}
