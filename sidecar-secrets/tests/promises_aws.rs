//! What the sidecar promises of AWS Secrets Manager: each way to get credentials, new ones before the
//! old ones end, and the last good set through throttling, refusal and outage.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is missing"
)]

mod support;

use std::time::Duration;

use erpgo_test_kit::moto::{self, TestMoto};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use support::faulty::{Fault, Faulty};
use support::{AWS_KEY, LIMIT, LOGINS, Pod, ack, document, rendered};

const NAME: &str = "erpgo/shop";

async fn store() -> (TestMoto, Pod) {
    let moto = moto::server().await;
    moto.put(NAME, &document(1, "-a")).await;
    let pod = Pod::aws(&moto.url()).with("SIDECAR_POLL_INTERVAL", "5");
    (moto, pod)
}

#[tokio::test]
async fn an_access_key_renders_and_a_nudge_brings_the_next() {
    let (moto, pod) = store().await;
    let sidecar = pod.with("SIDECAR_POLL_INTERVAL", "3600").start().await;
    sidecar.renders(1).await;
    moto.put(NAME, &document(2, "-b")).await;
    let waiting = tokio::spawn(support::nudge(sidecar.control, 2, 30));
    sidecar.renders(2).await;
    assert_eq!(sidecar.answer(&ack(2)).await, 204);
    assert_eq!(waiting.await.unwrap().status, 200);
}

#[tokio::test]
async fn a_projected_token_assumes_the_role_once_and_serves_every_poll() {
    let (moto, pod) = store().await;
    let token = pod.file("token", "eyJhbGciOiJSUzI1NiJ9.e30.canary/+=");
    let pod = pod
        .with("SIDECAR_AWS_AUTH", "web-identity")
        .with(
            "SIDECAR_AWS_ROLE_ARN",
            "arn:aws:iam::123456789012:role/shop",
        )
        .with("SIDECAR_AWS_TOKEN_FILE", &token);
    let sidecar = pod.start().await;
    sidecar.renders(1).await;
    moto.put(NAME, &document(2, "-b")).await;
    sidecar.renders(2).await;
    assert_eq!(sidecar.metric(LOGINS).await, Some(1));
}

#[tokio::test]
async fn what_the_nodes_agent_gives_is_replaced_before_it_ends() {
    let (_moto, pod) = store().await;
    let until = Timestamp::now() + SignedDuration::from_hours(1);
    let body = |until: Timestamp| {
        let answer = json!({
            "AccessKeyId": "ASIA", "SecretAccessKey": AWS_KEY, "Token": "canary-token",
            "Expiration": until.to_string(),
        });
        Fault::Answer("200 OK", answer.to_string())
    };
    let agent = Faulty::start(body(until)).await;
    let token = pod.file("agent-token", "canary-agent-token");
    let uri = |agent: &Faulty| format!("{}/v1/credentials", agent.url());
    let pod = pod
        .with("SIDECAR_AWS_AUTH", "pod-identity")
        .with("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri(&agent))
        .with("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token);
    let sidecar = pod.start().await;
    sidecar.renders(1).await;
    assert_eq!(sidecar.metric(LOGINS).await, Some(1));
    let heads = agent.heads();
    assert!(heads[0].starts_with("GET /v1/credentials HTTP/1.1"));
    assert!(heads[0].contains("authorization: canary-agent-token"));
    drop(sidecar);

    // Short-lived: the next ones are fetched in time, and not in a stream.
    let until = Timestamp::now() + SignedDuration::from_secs(30);
    let agent = Faulty::start(body(until)).await;
    let pod = pod.with("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri(&agent));
    let sidecar = pod.start().await;
    sidecar.counts(LOGINS, 2).await;
    assert!(Timestamp::now() < until + SignedDuration::from_secs(5));
    assert_eq!(sidecar.state().await["backend"]["healthy"], true);
    let times = agent.times();
    assert!(times[1] - times[0] > Duration::from_secs(10), "{times:?}");
}

#[tokio::test]
async fn a_refusal_is_denied_and_leaves_the_last_good_set_in_use() {
    let (moto, pod) = store().await;
    let sidecar = pod.start().await;
    sidecar.renders(1).await;
    moto.enforce_iam().await;
    let state = sidecar.fails_with("denied").await;
    assert_eq!(state["rendered_generation"], 1);
    assert!(state["backend"]["stale_since"].is_string());
}

#[tokio::test]
async fn throttling_is_told_apart_and_answered_by_fewer_requests() {
    let body = r#"{"__type":"ThrottlingException","message":"Rate exceeded canary"}"#;
    let faulty = Faulty::start(Fault::Answer("400 Bad Request", body.to_owned())).await;
    let pod = Pod::aws(&faulty.url()).with("SIDECAR_POLL_INTERVAL", "5");
    let sidecar = pod.start().await;
    sidecar.fails_with("throttled").await;
    let failed = "erpgo_sidecar_reads_total{result=\"failed\",class=\"throttled\"}";
    sidecar.counts(failed, 5).await;
    faulty.was_asked_within_the_bounds();
    assert!(!sidecar.process.output().contains("canary"));
}

#[tokio::test]
async fn a_secret_that_is_gone_or_has_no_text_leaves_the_last_good_set_in_use() {
    let (moto, pod) = store().await;
    let sidecar = pod.start().await;
    sidecar.renders(1).await;
    let binary = json!({"SecretId": NAME, "SecretBinary": "Y2FuYXJ5", "ClientRequestToken": "11111111111111111111111111111111"});
    moto.secrets("PutSecretValue", &binary).await;
    sidecar.fails_with("malformed").await;
    let gone = json!({"SecretId": NAME, "ForceDeleteWithoutRecovery": true});
    moto.secrets("DeleteSecret", &gone).await;
    sidecar.fails_with("not_found").await;
    assert_eq!(rendered(&pod.secrets()), Some(1));
    moto.put(NAME, &document(2, "-b")).await;
    sidecar.renders(2).await;
}

#[tokio::test]
async fn an_aws_that_hangs_is_given_up_and_found_again() {
    let (moto, pod) = store().await;
    let sidecar = pod.start().await;
    sidecar.renders(1).await;
    moto.pause();
    let state = sidecar.fails_with("unreachable").await;
    assert_eq!(state["rendered_generation"], 1);
    moto.resume();
    let state = sidecar.recovers().await;
    assert_eq!(state["backend"]["stale_since"], Value::Null);
}

#[tokio::test]
async fn i04_neither_key_nor_token_nor_value_is_logged() {
    let (_moto, pod) = store().await;
    let mut sidecar = pod.start().await;
    sidecar.renders(1).await;
    let mut seen = sidecar.state().await.to_string();
    let metrics = support::Request::get("/metrics");
    seen += &metrics.send(sidecar.control).await.body;
    let term = erpgo_test_kit::Signal::TERM;
    sidecar.process.signal(term).unwrap();
    sidecar.process.wait(LIMIT).await.unwrap();
    seen += &sidecar.process.output();
    assert!(seen.contains("rendered the secret set"));
    for secret in [AWS_KEY, "hunter2", "mU3xQ9vT"] {
        assert!(!seen.contains(secret), "{secret} in {seen}");
    }
}

/// A dump of the process would hold the key that it signs with, and nothing else that opens anything: no
/// value, no key of before.
#[tokio::test]
async fn i04_of_values_and_keys_only_the_key_in_use_stays_in_memory() {
    let (moto, pod) = store().await;
    let pod = pod.with("SIDECAR_POLL_INTERVAL", "3600");
    let sidecar = pod.start().await;
    sidecar.renders(1).await;
    let next = "je7MtGbClwBF-2Zp9Utk-h3yCo8nvbEX-canary-next";
    pod.file("secret-access-key", next);
    moto.put(NAME, &document(2, "-b")).await;
    sidecar.nudge(2, 0).await;
    sidecar.renders(2).await;
    let memory = support::memory(sidecar.process.id().unwrap());
    assert!(support::find(&memory, next).is_some(), "the search works");
    for text in [AWS_KEY, "hunter2", "mU3xQ9vT", "b7VhK2sX"] {
        assert_eq!(support::find(&memory, text), None, "{text}");
    }
}

/// The same of a role: its credentials are replaced, and the token that got them is not kept.
#[tokio::test]
async fn i04_no_token_that_assumed_a_role_stays_in_memory() {
    let (_moto, pod) = store().await;
    let token = "eyJhbGciOiJSUzI1NiJ9.e30.canary-of-a-projected-token";
    let file = pod.file("token", token);
    let role = "arn:aws:iam::123456789012:role/shop";
    let pod = pod
        .with("SIDECAR_POLL_INTERVAL", "3600")
        .with("SIDECAR_AWS_AUTH", "web-identity")
        .with("SIDECAR_AWS_ROLE_ARN", role)
        .with("SIDECAR_AWS_TOKEN_FILE", &file);
    let sidecar = pod.start().await;
    sidecar.renders(1).await;
    let memory = support::memory(sidecar.process.id().unwrap());
    assert!(support::find(&memory, role).is_some(), "the search works");
    for text in ["canary-of-a-projected", "hunter2", "mU3xQ9vT"] {
        assert_eq!(support::find(&memory, text), None, "{text}");
    }
}
