//! What is refused before anybody is known: sign-ins by the limit of an address, and credentials that are none
//! (R18.1). Bounded, beside the requests, and at the end of the process.

use std::time::Duration;

use axum::body::Body;
use erpgo::auth::token::{Claims, Kind, Subject, issue};
use erpgo::users::{SessionId, UserId};
use erpgo_test_kit::{Signal, proxy};
use http::{Method, Request};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{events_for, superuser};
use crate::program::{LIMIT, Program, QUICK, ask, start};
use crate::sql::number;
use crate::world::{ADMIN, Answer, PASSWORD, SETTINGS, World, access, document, send, set, until};

const SIGN_INS: &str = "SELECT count(*) FROM audit_events WHERE action = 'auth.sign_in_refused'";
const CREDENTIALS: &str =
    "SELECT count(*) FROM audit_events WHERE action = 'auth.credential_refused'";

async fn flushed(world: &World) {
    world.state.refusals.flush(&world.state.database).await;
}

async fn sign_in(world: &World, email: &str) -> Answer {
    let body = json!({"email": email, "password": PASSWORD}).to_string();
    let request = Request::post("/api/v1/auth/login")
        .header("content-type", "application/json")
        .header("user-agent", "walking/1.0")
        .body(Body::from(body))
        .unwrap();
    send(&world.router, request).await
}

/// Two sign-ins an address.
fn limited() -> String {
    SETTINGS.replace("login_per_ip: 0", "login_per_ip: 2")
}

#[tokio::test]
async fn r18_1_sign_ins_that_a_limit_refuses_are_noted_with_address_agent_and_number() {
    let world = World::with(&limited(), None).await;
    let admin = access(&sign_in(&world, ADMIN).await.expect(200).json());
    sign_in(&world, ADMIN).await.expect(200);
    flushed(&world).await;
    assert_eq!(number(&world, SIGN_INS).await, 0);
    for email in [ADMIN, "nobody@example.org", ADMIN] {
        let answer = sign_in(&world, email).await;
        answer.refused(429, "RATE_LIMIT_EXCEEDED");
    }
    flushed(&world).await;
    let [event] = &events_for(&world, &admin, "action=auth.sign_in_refused").await[..] else {
        panic!("not one event")
    };
    assert_eq!(event["outcome"], "refused");
    for nobody in ["actor", "target"] {
        assert_eq!(event[nobody], Value::Null, "{event}");
    }
    let personal = json!({"ip": "127.0.0.1", "agent": "walking/1.0"});
    assert_eq!(event["personal"], personal);
    assert_eq!(event["detail"]["count"], 3);
    let since: Timestamp = event["detail"]["since"].as_str().unwrap().parse().unwrap();
    assert!(since.duration_until(Timestamp::now()) < SignedDuration::from_mins(1));
    assert!(!event.to_string().contains("nobody@example.org"), "{event}");
    // Told once.
    flushed(&world).await;
    assert_eq!(number(&world, SIGN_INS).await, 1);
}

#[tokio::test]
async fn r18_1_the_second_half_of_a_sign_in_that_a_limit_refuses_is_noted_as_such() {
    let world = World::with(&limited(), None).await;
    let admin = access(&sign_in(&world, ADMIN).await.expect(200).json());
    let body = json!({"challenge_token": "none", "code": "123456"});
    for status in [401, 401, 429] {
        let path = "/api/v1/auth/login/second-factor";
        world.post(path, "", body.clone()).await.expect(status);
    }
    flushed(&world).await;
    let found = events_for(&world, &admin, "action=auth.sign_in_refused").await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["detail"]["second_factor"], true);
    // A challenge cannot be told from one that was used up or is too old.
    assert_eq!(number(&world, CREDENTIALS).await, 0);
}

#[tokio::test]
async fn r18_1_new_passwords_that_a_limit_refuses_are_noted_as_such_and_without_the_name() {
    let world = World::with(&limited(), None).await;
    let admin = world.admin().await;
    for _ in 0..2 {
        world.forgot(ADMIN).await.expect(202);
    }
    let body = json!({"token": "x", "new_password": "violet badgers whistle opera"});
    let reset = async || {
        let path = "/api/v1/auth/reset-password";
        world.post(path, "", body.clone()).await
    };
    for _ in 0..2 {
        reset().await.refused(400, "VALIDATION_ERROR");
    }
    flushed(&world).await;
    assert_eq!(number(&world, SIGN_INS).await, 0);
    for _ in 0..2 {
        let answer = world.forgot(ADMIN).await;
        answer.refused(429, "RATE_LIMIT_EXCEEDED");
    }
    reset().await.refused(429, "RATE_LIMIT_EXCEEDED");
    flushed(&world).await;
    let found = events_for(&world, &admin, "action=auth.sign_in_refused").await;
    assert_eq!(found.len(), 2, "{found:?}");
    for (name, count) in [("forgot_password", 2), ("reset_password", 1)] {
        let of_one = found.iter().find(|event| event["detail"][name] == true);
        let event = of_one.unwrap_or_else(|| panic!("no {name}: {found:?}"));
        assert_eq!(event["detail"]["count"], count, "{event}");
        assert_eq!(event["outcome"], "refused");
        assert_eq!(event["personal"]["ip"], "127.0.0.1", "{event}");
        assert!(!event.to_string().contains(ADMIN), "{event}");
    }
}

/// An access token that was one until an hour ago.
fn expired(world: &World) -> String {
    let subject = Subject {
        user: UserId::new(),
        session: SessionId::new(),
    };
    let issuer = &world.state.settings.auth.issuer;
    let then = Timestamp::now() - SignedDuration::from_hours(2);
    let claims = Claims::new(
        Kind::Access,
        issuer,
        subject,
        then,
        Duration::from_secs(3600),
    );
    let issued = issue(Kind::Access, &world.state.keyring.current(), claims);
    issued.unwrap().token
}

async fn profile(world: &World, token: &str, code: &str) {
    let answer = world.get("/api/v1/profile", token).await;
    answer.refused(401, code);
}

#[tokio::test]
async fn r18_1_credentials_that_are_none_or_none_any_more_are_noted_and_no_others() {
    let world = World::new().await;
    let admin = world.admin().await;
    let session = world.signed_in(ADMIN).await;
    let (token, refresh) = (access(&session), crate::world::refresh_token(&session));
    let (id, key) = crate::api_keys::key(&world, &admin, &["users.read"]).await;
    // What is everyday: nothing presented, what is good, and what is too old.
    profile(&world, "", "UNAUTHORIZED").await;
    profile(&world, &expired(&world), "TOKEN_EXPIRED").await;
    world.get("/api/v1/profile", &token).await.expect(200);
    world.get("/api/v1/users", &key).await.expect(200);
    flushed(&world).await;
    assert_eq!(number(&world, CREDENTIALS).await, 0);

    let path = "/api/v1/auth/logout";
    world.post(path, &token, json!({})).await.expect(204);
    let path = format!("/api/v1/api-keys/{id}");
    world.delete(&path, &admin).await.expect(204);
    for _ in 0..3 {
        profile(&world, "nonsense", "TOKEN_INVALID").await;
    }
    for _ in 0..2 {
        profile(&world, &token, "TOKEN_REVOKED").await;
    }
    let forged = key.chars().rev().collect::<String>();
    let forged = format!("{}{forged}", erpgo::api_keys::PREFIX);
    profile(&world, &forged, "TOKEN_INVALID").await;
    profile(&world, &key, "TOKEN_REVOKED").await;
    let answer = world.refresh("nonsense").await;
    answer.refused(401, "TOKEN_INVALID");
    let answer = world.refresh(&refresh).await;
    answer.refused(401, "TOKEN_REVOKED");
    flushed(&world).await;

    let found = events_for(&world, &admin, "action=auth.credential_refused").await;
    let mut told: Vec<_> = found
        .iter()
        .map(|event| {
            let detail = &event["detail"];
            let text = |name: &str| detail[name].as_str().unwrap().to_owned();
            let count = detail["count"].as_u64().unwrap();
            (text("credential"), text("reason"), count)
        })
        .collect();
    told.sort_unstable();
    let expected = [
        ("access_token", "invalid", 3),
        ("access_token", "revoked", 2),
        ("api_key", "invalid", 1),
        ("api_key", "revoked", 1),
        ("refresh_token", "invalid", 1),
        ("refresh_token", "revoked", 1),
    ];
    let expected = expected.map(|(of, reason, count)| (of.to_owned(), reason.to_owned(), count));
    assert_eq!(told, expected);
    for event in &found {
        assert_eq!(event["personal"]["ip"], "127.0.0.1", "{event}");
        for hidden in [&token, &key, &refresh] {
            assert!(!event.to_string().contains(hidden.as_str()), "{event}");
        }
    }
}

/// The task that writes them, as `serve` runs it: the first at once, those that follow a minute later.
#[tokio::test]
async fn r18_1_an_address_has_one_event_a_minute() {
    let world = World::new().await;
    let stop = CancellationToken::new();
    let refusals = world.state.refusals.clone();
    let running = tokio::spawn(refusals.run(world.state.database.clone(), stop.clone()));
    profile(&world, "nonsense", "TOKEN_INVALID").await;
    until("the first is noted", || async {
        number(&world, CREDENTIALS).await == 1
    })
    .await;
    for _ in 0..5 {
        profile(&world, "nonsense", "TOKEN_INVALID").await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(number(&world, CREDENTIALS).await, 1);
    stop.cancel();
    running.await.unwrap();
    flushed(&world).await;
    let counts: Vec<i64> = sqlx::query_scalar(
        "SELECT (detail::jsonb ->> 'count')::bigint FROM audit_events
         WHERE action = 'auth.credential_refused' ORDER BY seq",
    )
    .fetch_all(&mut superuser(&world).await)
    .await
    .unwrap();
    assert_eq!(counts, [1, 5]);
}

#[tokio::test]
async fn what_cannot_be_noted_costs_no_request_and_is_noted_later() {
    let database = crate::world::database().await;
    let way = proxy::tcp(database.address()).await;
    let secrets = set(document(&way.url(&database.url()), None));
    let settings = SETTINGS.replace("acquire_timeout: 5s", "acquire_timeout: 1s");
    let world = World::on(database, secrets, &settings).await;
    way.cut();
    for _ in 0..2 {
        profile(&world, "nonsense", "TOKEN_INVALID").await;
    }
    flushed(&world).await;
    way.resume();
    until("it is noted", || async {
        flushed(&world).await;
        let mut direct = superuser(&world).await;
        let noted: i64 = crate::sql::scalar(&mut direct, CREDENTIALS).await;
        noted == 1
    })
    .await;
    let mut direct = superuser(&world).await;
    let detail: String = crate::sql::scalar(
        &mut direct,
        "SELECT detail::text FROM audit_events WHERE action = 'auth.credential_refused'",
    )
    .await;
    let detail: Value = serde_json::from_str(&detail).unwrap();
    assert_eq!(detail["count"], 2);
}

/// Ends of which one has time for all of it, however busy the machine is.
const ENDS: usize = 5;

/// Has `program` note a refusal, and refuse two more that it has not noted.
async fn two_are_left(program: &Program, world: &World) {
    let before = number(world, CREDENTIALS).await;
    let refused = async || {
        let bearer = "authorization: Bearer nonsense\r\n";
        let asked = (Method::GET, "/api/v1/profile");
        let answer = ask(program.api, asked, bearer, "").await.unwrap();
        answer.refused(401, "TOKEN_INVALID");
    };
    refused().await;
    until("the first is noted", || async {
        number(world, CREDENTIALS).await == before + 1
    })
    .await;
    refused().await;
    refused().await;
}

/// How many events there are of a program that has come to its end, or nothing where its time was over before.
async fn noted_at_the_end(world: &World) -> Option<i64> {
    let before = number(world, CREDENTIALS).await;
    let mut program = start(&world.database.url(), QUICK);
    program.is_ready().await;
    two_are_left(&program, world).await;
    program.process.signal(Signal::TERM).unwrap();
    let status = program.process.wait(LIMIT).await.unwrap();
    let messages = program.messages();
    let mut texts = messages.iter().filter_map(|line| line["message"].as_str());
    if texts.any(|text| text.contains("overran its deadline")) {
        return None;
    }
    assert_eq!(status.code(), Some(0), "{}", program.process.tail());
    assert_eq!(left_out(&program), None);
    Some(number(world, CREDENTIALS).await - before)
}

#[tokio::test]
async fn r09_5_and_r18_1_what_is_left_at_the_end_of_a_process_is_noted() {
    let world = World::new().await;
    for _ in 0..ENDS {
        if let Some(noted) = noted_at_the_end(&world).await {
            assert_eq!(noted, 2);
            return;
        }
    }
    panic!("no end had time enough");
}

/// Of how many the log says that they may not be noted.
fn left_out(program: &Program) -> Option<Value> {
    let told = |line: &Value| line["message"] == "the last refusals may not be in the audit log";
    let line = program.messages().into_iter().find(told)?;
    Some(line["refusals"].clone())
}

/// The database is away just then.
#[tokio::test]
async fn r09_5_of_what_cannot_be_noted_at_the_end_the_log_tells_the_number() {
    let world = World::new().await;
    let way = proxy::tcp(world.database.address()).await;
    let mut program = start(&way.url(&world.database.url()), QUICK);
    program.is_ready().await;
    two_are_left(&program, &world).await;
    way.cut();
    program.process.signal(Signal::TERM).unwrap();
    program.process.wait(LIMIT).await.unwrap();
    assert_eq!(left_out(&program), Some(json!(2)));
    assert_eq!(number(&world, CREDENTIALS).await, 1);
}
