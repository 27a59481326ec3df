//! Limits of requests, counted by Redis and by the process alone (R5, R15.4).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use erpgo::config::Rate;
use erpgo::limits::{Class, Subject};
use erpgo::state::AppState;
use erpgo_test_kit::redis;
use http::{Method, Request, header};
use serde_json::json;

use crate::commands;
use crate::log::LOG;
use crate::world::{ADMIN, Answer, PASSWORD, SETTINGS, World, limits, listening, send};

const PROXIED: &str = "http: { trusted_proxies: [127.0.0.1] }";

async fn ask(router: &Router, ip: &str, (method, path): (Method, &str), token: &str) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("x-forwarded-for", ip)
        .header(header::CONTENT_TYPE, "application/json");
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    send(router, request.body(Body::from("{}")).unwrap()).await
}

async fn read(router: &Router, ip: &str, token: &str) -> Answer {
    ask(router, ip, (Method::GET, "/api/v1/products"), token).await
}

fn text<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers[name].to_str().unwrap()
}

fn refused(answer: &Answer, within: u64) {
    answer.refused(429, "RATE_LIMIT_EXCEEDED");
    let wait: u64 = text(answer, "retry-after").parse().unwrap();
    assert!((1..=within).contains(&wait), "{wait}");
}

/// Four of an address and not the fifth; its neighbour, its writes and the probes are others' affair.
async fn an_address_has_its_share(router: &Router, token: &str, round: u8) {
    let ip = format!("192.0.2.{round}");
    for left in (0..4).rev() {
        let answer = read(router, &ip, token).await.expect(200);
        assert_eq!(text(&answer, "ratelimit-policy"), "\"read-ip\";q=4;w=60");
        let standing = text(&answer, "ratelimit");
        let expected = format!("\"read-ip\";r={left};t=");
        assert!(standing.starts_with(&expected), "{standing}");
    }
    let fifth = read(router, &ip, token).await;
    refused(&fifth, 15);
    assert_eq!(text(&fifth, "ratelimit-policy"), "\"read-ip\";q=4;w=60");
    assert!(text(&fifth, "ratelimit").starts_with("\"read-ip\";r=0;t="));
    // Before anything is done for it: without a token as well, and under a path that is not there.
    refused(&read(router, &ip, "").await, 15);
    refused(&ask(router, &ip, (Method::GET, "/nothing"), "").await, 15);
    read(router, &format!("198.51.100.{round}"), token)
        .await
        .expect(200);
    let write = ask(router, &ip, (Method::POST, "/api/v1/products"), token).await;
    write.refused(400, "VALIDATION_ERROR");
    let probe = ask(router, &ip, (Method::GET, "/health/live"), "").await;
    assert!(probe.expect(200).headers.get("ratelimit").is_none());
}

fn four_reads() -> String {
    let off = "read_per_user: 0, write_per_ip: 0, write_per_user: 0";
    format!("{}\n{PROXIED}", limits(&format!("read_per_ip: 4, {off}")))
}

#[tokio::test]
async fn r05_an_address_is_limited_by_class_without_redis() {
    let world = World::with(&four_reads(), None).await;
    let token = world.admin().await;
    for round in 0..3 {
        an_address_has_its_share(&world.router, &token, round).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r05_redis_counts_for_all_processes_and_each_counts_alone_when_it_is_killed() {
    let mut redis = redis::server().await;
    let world = World::counting(&four_reads(), &redis.url()).await;
    let (state, twin, _tasks) = world.twin(&four_reads());
    world.redis_is_listening().await;
    listening(&state).await;
    let token = world.admin().await;
    an_address_has_its_share(&world.router, &token, 0).await;
    // The twin has admitted nobody, and refuses all the same.
    refused(&read(&twin, "192.0.2.0", &token).await, 15);
    redis.stop();
    // Nobody fails, and each process admits what it alone would.
    for router in [&world.router, &twin] {
        for _ in 0..4 {
            read(router, "192.0.2.0", &token).await.expect(200);
        }
        refused(&read(router, "192.0.2.0", &token).await, 15);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r05_installations_that_share_a_redis_share_no_count() {
    let redis = redis::server().await;
    let world = World::counting(&four_reads(), &redis.url()).await;
    let elsewhere = format!("{}\nredis: {{ prefix: 'erpgo:other:shop:' }}", four_reads());
    let (state, neighbour, _tasks) = world.twin(&elsewhere);
    world.redis_is_listening().await;
    listening(&state).await;
    let token = world.admin().await;
    for router in [&world.router, &neighbour] {
        for _ in 0..4 {
            read(router, "192.0.2.0", &token).await.expect(200);
        }
        refused(&read(router, "192.0.2.0", &token).await, 15);
    }
}

#[tokio::test]
async fn r05_a_user_is_limited_wherever_they_come_from_and_whatever_they_present() {
    let yaml = format!("{}\n{PROXIED}", limits("read_per_ip: 0, read_per_user: 4"));
    let world = World::with(&yaml, None).await;
    let (_, kim) = world.user("kim@example.org", &["products.read"]).await;
    let (_, key) = crate::api_keys::key(&world, &kim, &["products.read"]).await;
    for n in 0..2 {
        let answer = read(&world.router, &format!("192.0.2.{n}"), &kim)
            .await
            .expect(200);
        assert_eq!(text(&answer, "ratelimit-policy"), "\"read-user\";q=4;w=60");
        read(&world.router, "203.0.113.9", &key).await.expect(200);
    }
    refused(&read(&world.router, "192.0.2.7", &kim).await, 15);
    refused(&read(&world.router, "192.0.2.8", &key).await, 15);
    // Who is not known is nobody's share, and others have theirs.
    read(&world.router, "192.0.2.7", "")
        .await
        .refused(401, "UNAUTHORIZED");
    let (_, ann) = world.user("ann@example.org", &["products.read"]).await;
    read(&world.router, "192.0.2.7", &ann).await.expect(200);
}

#[tokio::test]
async fn r05_an_address_that_the_client_wrote_itself_is_not_believed() {
    let yaml = four_reads().replace("trusted_proxies: [127.0.0.1]", "trusted_proxies: []");
    let world = World::with(&yaml, None).await;
    let token = world.admin().await;
    for n in 0..4 {
        read(&world.router, &format!("192.0.2.{n}"), &token)
            .await
            .expect(200);
    }
    refused(&read(&world.router, "192.0.2.99", &token).await, 15);
}

#[tokio::test]
async fn exports_have_a_limit_of_their_own_and_sign_ins_keep_theirs() {
    let yaml = limits("export_per_user: 1").replace("login_per_ip: 0", "login_per_ip: 3");
    let world = World::with(&yaml, None).await;
    let token = world.admin().await;
    world
        .get("/api/v1/profile/export", &token)
        .await
        .expect(200);
    refused(&world.get("/api/v1/profile/export", &token).await, 60);
    world.get("/api/v1/profile", &token).await.expect(200);
    let answer = world.login(ADMIN, PASSWORD).await.expect(200);
    assert_eq!(
        text(&answer, "ratelimit-policy"),
        "\"sign-in-ip\";q=3;w=900"
    );
    assert!(answer.headers.get("ratelimit").is_none());
    world.login(ADMIN, PASSWORD).await.expect(200);
    let fourth = world.login(ADMIN, PASSWORD).await;
    refused(&fourth, 900);
    let wait = text(&fourth, "retry-after");
    assert_eq!(
        text(&fourth, "ratelimit"),
        format!("\"sign-in-ip\";r=0;t={wait}")
    );
}

fn set(state: &AppState, per_ip: u32) {
    let mut live = erpgo::config::LiveSettings::clone(&state.live.load());
    live.limits.rates.read = Rate {
        per_ip,
        per_user: 0,
    };
    state.live.store(Arc::new(live));
}

#[tokio::test]
async fn r15_4_a_changed_limit_holds_for_the_next_request() {
    let world = World::with(&four_reads(), None).await;
    let token = world.admin().await;
    for _ in 0..4 {
        read(&world.router, "192.0.2.1", &token).await.expect(200);
    }
    refused(&read(&world.router, "192.0.2.1", &token).await, 15);
    set(&world.state, 6);
    let answer = read(&world.router, "192.0.2.1", &token).await.expect(200);
    assert_eq!(text(&answer, "ratelimit-policy"), "\"read-ip\";q=6;w=60");
    set(&world.state, 0);
    for _ in 0..8 {
        let answer = read(&world.router, "192.0.2.1", &token).await.expect(200);
        assert!(answer.headers.get("ratelimit").is_none());
    }
}

/// The script and the arithmetic of a process alone are two texts of one rule.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r05_redis_admits_exactly_the_quota_whatever_it_is() {
    let (_redis, world) = World::counting_with_redis().await;
    let (twin, _router, _tasks) = world.twin(SETTINGS);
    listening(&twin).await;
    for case in 0..120_u8 {
        let quota = u32::from(case % 30) + 1;
        for state in [&world.state, &twin] {
            set(state, quota);
        }
        let subject = Subject::Ip([192, 0, 2, case].into());
        let mut admitted = 0;
        for n in 0..quota + 5 {
            let state = if n % 2 == 0 { &world.state } else { &twin };
            let standing = state.rates.count(Class::Read, subject).await.unwrap();
            if let Some(wait) = standing.wait {
                let share = Duration::from_secs(60) / quota;
                assert!(wait <= share, "{case}: {standing:?}");
                assert_eq!(standing.left, 0, "{case}");
            } else {
                admitted += 1;
            }
        }
        // On a slow machine a unit may have come back while the case ran.
        assert!(
            (quota..=quota + 1).contains(&admitted),
            "{admitted} of {quota}"
        );
    }
}

#[tokio::test]
async fn a_busy_user_with_a_large_quota_costs_few_calls_of_redis() {
    let (redis, world) = World::counting_with_redis().await;
    set(&world.state, 300_000);
    let subject = Subject::Ip([192, 0, 2, 1].into());
    let count = async |numbers: std::ops::RangeInclusive<u32>| {
        for n in numbers {
            let standing = world.state.rates.count(Class::Read, subject).await.unwrap();
            assert_eq!(standing.wait, None);
            assert!(standing.left >= 300_000 - n && standing.left < 300_000);
        }
    };
    count(1..=100).await;
    assert_eq!(calls(&redis.url()).await, 0, "a quiet user costs nothing");
    count(101..=500).await;
    let calls = calls(&redis.url()).await;
    assert!((1..=60).contains(&calls), "{calls} calls for 400 requests");
}

#[tokio::test]
async fn r05_requests_that_come_at_once_take_one_batch_together() {
    let (_redis, world) = World::counting_with_redis().await;
    set(&world.state, 300_000);
    let subject = Subject::Ip([192, 0, 2, 1].into());
    let count = || world.state.rates.count(Class::Read, subject);
    // A hundred cost nothing, and with the next the batches grow: 2, 4, 8 to 128.
    for _ in 0..100 + 254 {
        count().await.unwrap();
    }
    let standings = futures::future::join_all((0..64).map(|_| count())).await;
    let left = standings.iter().flatten().map(|standing| standing.left);
    let taken = 300_000 - left.min().unwrap();
    // On a slow machine some lapsed on the way.
    let most = 2 * 254 + 250 + 64;
    assert!((64..=most).contains(&taken), "{taken} units for 64");
}

/// How often Redis has run a script.
async fn calls(url: &str) -> u64 {
    let info: String = commands::ask(url, ["INFO", "commandstats"]).await;
    let mut lines = info.lines();
    let line = lines.find(|line| line.starts_with("cmdstat_evalsha:"));
    line.and_then(|line| line.split_once("calls=")?.1.split_once(',')?.0.parse().ok())
        .unwrap_or(0)
}

#[tokio::test]
async fn r05_4_each_hit_is_logged_with_address_and_name() {
    let log = &*LOG;
    let yaml = format!("{}\n{PROXIED}", limits("read_per_user: 1, read_per_ip: 0"))
        .replace("login_per_ip: 0", "login_per_ip: 1");
    let world = World::with(&yaml, None).await;
    let login = |ip: &'static str| {
        let body = json!({"email": ADMIN, "password": PASSWORD}).to_string();
        let request = Request::post("/api/v1/auth/login")
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-forwarded-for", ip)
            .body(Body::from(body));
        let router = world.router.clone();
        async move { send(&router, request.unwrap()).await }
    };
    let token = crate::world::access(&login("192.0.2.201").await.expect(200).json());
    refused(&login("192.0.2.201").await, 900);
    read(&world.router, "192.0.2.202", &token).await.expect(200);
    refused(&read(&world.router, "192.0.2.202", &token).await, 60);
    let hits = log.lines_with("192.0.2.201");
    let hit = hits
        .iter()
        .find(|line| line["message"] == "sign-in limit reached");
    assert_eq!(hit.unwrap()["identifier"], ADMIN);
    let hits = log.lines_with("192.0.2.202");
    let hit = hits
        .iter()
        .find(|line| line["message"] == "rate limit reached");
    assert_eq!(hit.unwrap()["limit"], "read-user");
    assert!(hit.unwrap()["user_id"].is_string());
}
