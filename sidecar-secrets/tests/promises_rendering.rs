//! What the sidecar promises while the backend works: the newest generation on the tmpfs, whole;
//! the app's answer to the operator; nothing that is invalid, older or seen by others.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is missing"
)]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use erpgo_test_kit::{Signal, kernel};
use serde_json::Value;
use support::kubernetes::Store;
use support::{LIMIT, Request, ack, document, find, memory, nack, nudge, rendered};

// Polls never in a test's life, so that what happens is the nudge's doing.
const NEVER: &str = "3600";

#[tokio::test]
async fn the_first_generation_is_rendered_whole_and_reported() {
    let store = Store::with(&document(1, "-a")).await;
    let pod = store.pod().await;
    let sidecar = pod.start().await;
    let state = sidecar.renders(1).await;
    assert_eq!(state["acked"], Value::Null);
    assert_eq!(state["backend"]["healthy"], true);
    assert_eq!(state["backend"]["error_class"], Value::Null);
    let started = Request::get("/health/started").send(sidecar.control).await;
    assert_eq!(started.status, 200);

    let dir = pod.secrets();
    let jwt = std::fs::read_to_string(dir.join("jwt.current")).unwrap();
    assert!(jwt.ends_with("-a"));
    let manifest: Value =
        serde_json::from_str(&std::fs::read_to_string(dir.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["files"].as_array().unwrap().len(), 4);
    for entry in manifest["files"].as_array().unwrap() {
        let file = dir.join(entry["file"].as_str().unwrap());
        assert!(file.symlink_metadata().unwrap().is_symlink());
        assert_eq!(
            file.metadata().unwrap().permissions().mode() & 0o7777,
            0o440
        );
    }
}

#[tokio::test]
async fn a_pod_without_a_document_waits_and_takes_the_first_that_comes() {
    let store = Store::empty().await;
    let sidecar = store
        .pod()
        .await
        .with("SIDECAR_POLL_INTERVAL", NEVER)
        .start()
        .await;
    sidecar.fails_with("not_found").await;
    let started = Request::get("/health/started").send(sidecar.control).await;
    assert_eq!(started.status, 503);
    let live = Request::get("/health/live").send(sidecar.control).await;
    assert_eq!(live.status, 200);
    store.put(&document(1, "-a")).await;
    sidecar.renders(1).await;
}

#[tokio::test]
async fn a_nudge_brings_the_new_generation_and_answers_when_the_app_has() {
    let store = Store::with(&document(1, "-a")).await;
    let pod = store.pod().await.with("SIDECAR_POLL_INTERVAL", NEVER);
    let sidecar = pod.start().await;
    sidecar.renders(1).await;
    assert_eq!(sidecar.answer(&ack(1)).await, 204);
    store.put(&document(2, "-b")).await;
    let asked = Instant::now();
    let waiting = tokio::spawn(nudge(sidecar.control, 2, 30));
    sidecar.renders(2).await;
    assert!(!waiting.is_finished(), "the app has not answered yet");
    assert_eq!(
        sidecar.answer(&ack(1)).await,
        409,
        "the app answered the old one"
    );
    assert!(!waiting.is_finished());
    assert_eq!(sidecar.answer(&ack(2)).await, 204);
    let answer = waiting.await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["acked"]["generation"], 2);
    assert_eq!(answer.json()["acked"]["in_use"][0]["kid"], "jwt-2");
    assert!(
        asked.elapsed() < Duration::from_secs(15),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(
        sidecar.nudge(2, 30).await.status,
        200,
        "known already: no wait"
    );
    assert_eq!(
        sidecar.nudge(1, 30).await.status,
        200,
        "a later answer settles an earlier one"
    );
}

/// The steps of a rotation follow each other at once: none waits for the gap between two polls.
#[tokio::test]
async fn a_nudge_right_after_another_is_read_within_half_a_second() {
    let store = Store::with(&document(1, "-a")).await;
    let pod = store.pod().await.with("SIDECAR_POLL_INTERVAL", NEVER);
    let sidecar = pod.start().await;
    sidecar.renders(1).await;
    let mut fastest = Duration::MAX;
    for generation in 2..=21 {
        store.put(&document(generation, "-b")).await;
        let asked = Instant::now();
        let waiting = tokio::spawn(nudge(sidecar.control, generation, 30));
        sidecar.renders(generation).await;
        fastest = fastest.min(asked.elapsed());
        assert_eq!(sidecar.answer(&ack(generation)).await, 204);
        assert_eq!(waiting.await.unwrap().status, 200);
    }
    // The best of twenty: a busy machine makes any one of them late.
    assert!(fastest < Duration::from_millis(450), "{fastest:?}");
    let bucket = "erpgo_sidecar_ack_seconds_bucket{le=\"60\"}";
    assert_eq!(sidecar.metric(bucket).await, Some(20));
}

#[tokio::test]
async fn a_refusal_by_the_app_settles_a_nudge_and_carries_its_reasons() {
    let store = Store::with(&document(1, "-a")).await;
    let sidecar = store.pod().await.start().await;
    sidecar.renders(1).await;
    let waiting = tokio::spawn(nudge(sidecar.control, 1, 30));
    assert_eq!(sidecar.answer(&nack(1)).await, 204);
    let answer = waiting.await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["acked"]["verdict"], "nack");
    assert_eq!(answer.json()["acked"]["reasons"][0], "jwt is too short");
    assert_eq!(
        sidecar
            .metric("erpgo_sidecar_answers_total{verdict=\"nack\"}")
            .await,
        Some(1)
    );
    assert_eq!(
        sidecar
            .metric("erpgo_sidecar_answers_total{verdict=\"ack\"}")
            .await,
        Some(0)
    );
}

#[tokio::test]
async fn a_nudge_that_nobody_answers_ends_at_its_deadline_with_the_state() {
    let store = Store::with(&document(1, "-a")).await;
    let sidecar = store.pod().await.start().await;
    sidecar.renders(1).await;
    let asked = Instant::now();
    let answer = sidecar.nudge(1, 1).await;
    assert_eq!(answer.status, 504);
    assert_eq!(answer.json()["rendered_generation"], 1);
    assert_eq!(answer.json()["acked"], Value::Null);
    assert!(asked.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn waits_are_bounded_and_leave_room_for_probes() {
    let store = Store::with(&document(1, "-a")).await;
    let sidecar = store.pod().await.start().await;
    sidecar.renders(1).await;
    let waits: Vec<_> = (0..9)
        .map(|_| tokio::spawn(nudge(sidecar.control, 2, 20)))
        .collect();
    let mut statuses = Vec::new();
    for wait in waits {
        statuses.push(wait.await.unwrap().status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [429, 504, 504, 504, 504, 504, 504, 504, 504]);
}

#[tokio::test]
async fn the_poll_finds_a_new_generation_when_nobody_nudges() {
    let store = Store::with(&document(1, "-a")).await;
    let sidecar = store
        .pod()
        .await
        .with("SIDECAR_POLL_INTERVAL", "5")
        .start()
        .await;
    sidecar.renders(1).await;
    let unchanged = "erpgo_sidecar_reads_total{result=\"unchanged\",class=\"\"}";
    sidecar.counts(unchanged, 1).await;
    store.put(&document(2, "-b")).await;
    sidecar.renders(2).await;
    let rendered = "erpgo_sidecar_reads_total{result=\"rendered\",class=\"\"}";
    assert_eq!(sidecar.metric(rendered).await, Some(2));
}

#[tokio::test]
async fn a_document_that_is_invalid_older_or_altered_is_refused_and_the_set_stays() {
    let store = Store::with(&document(5, "-a")).await;
    let pod = store.pod().await.with("SIDECAR_POLL_INTERVAL", "5");
    let sidecar = pod.start().await;
    sidecar.renders(5).await;
    let weak = document(6, "").replace("mU3xQ9vT1zL7pW5kR2nB8cD4fG6hJ0sYaEoIuXtVrNq", "canary");
    let documents = [
        ("canary {".to_owned(), "is not valid at line"),
        (weak, "jwt (current) is too short"),
        (document(4, "-canary"), "write a higher one"),
        (document(5, "-canary"), "same generation 5"),
    ];
    for (bad, reason) in &documents {
        store.put(bad).await;
        let refused = async {
            while !sidecar.process.output().contains(reason) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(LIMIT * 2, refused)
            .await
            .unwrap_or_else(|_| panic!("{reason}"));
        let state = sidecar.fails_with("malformed").await;
        assert_eq!(state["rendered_generation"], 5);
        assert_eq!(rendered(&pod.secrets()), Some(5));
        assert!(state["backend"]["stale_since"].is_string());
    }
    let jwt = std::fs::read_to_string(pod.secrets().join("jwt.current")).unwrap();
    assert!(jwt.ends_with("-a"));
    store.put(&document(6, "-b")).await;
    // After so many failures the next read by itself is far away.
    sidecar.nudge(6, 0).await;
    let state = sidecar.renders(6).await;
    assert_eq!(state["backend"]["healthy"], true);
    assert_eq!(state["backend"]["stale_since"], Value::Null);
    assert!(!sidecar.process.output().contains("canary"));
}

#[tokio::test]
async fn a_restart_keeps_the_set_and_the_answer_to_it() {
    let store = Store::with(&document(1, "-a")).await;
    let pod = store.pod().await;
    let mut first = pod.start().await;
    first.renders(1).await;
    assert_eq!(first.answer(&ack(1)).await, 204);
    first.process.signal(Signal::KILL).unwrap();
    first.process.wait(LIMIT).await.unwrap();
    let second = pod.start().await;
    let state = second.state().await;
    assert_eq!(state["rendered_generation"], 1);
    assert_eq!(state["acked"]["generation"], 1);
    second.recovers().await;
    let rendered = "erpgo_sidecar_reads_total{result=\"rendered\",class=\"\"}";
    assert_eq!(
        second.metric(rendered).await,
        Some(0),
        "the same set is not written again"
    );
}

// The text of a debug build says nothing of the released one; its own memory and threads do.
#[tokio::test]
async fn at_rest_the_process_keeps_under_two_mebibytes_of_its_own_and_one_thread() {
    let store = Store::with(&document(1, "-a")).await;
    let sidecar = store.pod().await.start().await;
    sidecar.renders(1).await;
    let pid = sidecar.process.id().unwrap();
    let own = kernel::status(pid, "RssAnon").unwrap();
    assert!((1..2048).contains(&own), "{own} KiB");
    assert_eq!(kernel::status(pid, "Threads").unwrap(), 1);
}

#[tokio::test]
async fn i04_no_value_is_in_logs_state_metrics_environment_or_arguments() {
    let store = Store::with(&document(1, "-canary-one")).await;
    let pod = store.pod().await.with("SIDECAR_POLL_INTERVAL", NEVER);
    let mut sidecar = pod.start().await;
    sidecar.renders(1).await;
    let mut seen = sidecar.nudge(9, 0).await.body;
    store.put(&document(2, "-canary-two")).await;
    seen += &sidecar.nudge(2, 0).await.body;
    sidecar.renders(2).await;
    seen += &sidecar.state().await.to_string();
    seen += &Request::get("/metrics").send(sidecar.control).await.body;
    let pid = sidecar.process.id().unwrap();
    for file in ["environ", "cmdline"] {
        seen += &String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/{file}")).unwrap());
    }
    sidecar.process.signal(Signal::TERM).unwrap();
    sidecar.process.wait(LIMIT).await.unwrap();
    seen += &sidecar.process.output();
    assert!(seen.contains("rendered the secret set") && seen.contains("SIDECAR_BACKEND"));
    let secrets = ["canary", "hunter2", "mU3xQ9vT", "Zk4uP0yH", "b7VhK2sX"];
    let token = store.token(&[]).await;
    let head = token.split('.').next().unwrap();
    for secret in secrets.iter().chain([&head]) {
        assert!(!seen.contains(secret), "{secret} in {seen}");
    }
}

/// What was rendered is on the tmpfs and nowhere else: a dump of the process would hold no value.
#[tokio::test]
async fn i04_no_value_stays_in_memory_once_it_is_rendered() {
    let store = Store::with(&document(1, "-canary-one")).await;
    let pod = store.pod().await.with("SIDECAR_POLL_INTERVAL", NEVER);
    let sidecar = pod.start().await;
    sidecar.renders(1).await;
    store.put(&document(2, "-canary-two")).await;
    sidecar.nudge(2, 0).await;
    sidecar.renders(2).await;
    let memory = memory(sidecar.process.id().unwrap());
    // The search works: this is what the process holds all its life.
    assert!(find(&memory, "shop-secret-set").is_some());
    // In clear, and as parts of the base64 in which an API server sends it: three alignments.
    for text in [
        "canary-one",
        "canary-two",
        "hunter2",
        "mU3xQ9vT",
        "Y2FuYXJ5",
        "NhbmFyeS",
        "jYW5hcn",
    ] {
        assert_eq!(find(&memory, text), None, "{text}");
    }
}

#[tokio::test]
async fn the_sidecar_gets_the_one_secret_and_asks_for_nothing_else() {
    let store = Store::with(&document(1, "-a")).await;
    let sidecar = store
        .pod()
        .await
        .with("SIDECAR_POLL_INTERVAL", "5")
        .start()
        .await;
    sidecar.renders(1).await;
    store.put(&document(2, "-b")).await;
    sidecar.nudge(2, 0).await;
    sidecar.renders(2).await;
    let user = store.user();
    let events = store.cluster.audit(store.namespace.name());
    let ours: Vec<_> = events.iter().filter(|event| event.user == user).collect();
    assert!(ours.len() >= 2, "{events:?}");
    for event in ours {
        assert_eq!(
            (event.verb.as_str(), event.resource.as_str()),
            ("get", "secrets")
        );
        assert_eq!((event.name.as_str(), event.code), ("shop-secret-set", 200));
    }
}

#[tokio::test]
async fn an_account_without_the_role_is_denied_and_a_replaced_token_file_is_used() {
    let store = Store::without_role().await;
    let denied = store.pod().await;
    denied.start().await.fails_with("denied").await;

    let store = Store::with(&document(1, "-a")).await;
    let pod = store.pod().await;
    pod.file("sa-token", "not-a-token");
    let sidecar = pod.start().await;
    sidecar.fails_with("denied").await;
    pod.file("sa-token", &store.token(&[]).await);
    sidecar.renders(1).await;
}

#[tokio::test]
async fn a_server_that_the_ca_did_not_sign_is_not_trusted() {
    let store = Store::with(&document(1, "-a")).await;
    let pod = store.pod().await;
    pod.file("ca.crt", OTHER_CA);
    let mut sidecar = pod.start().await;
    sidecar.fails_with("unreachable").await;
    sidecar
        .process
        .wait_for_line("TLS handshake failed", LIMIT)
        .await
        .unwrap();
    pod.file("ca.crt", store.cluster.authority());
    sidecar.renders(1).await;
}

const OTHER_CA: &str = include_str!("support/other-ca.crt");
