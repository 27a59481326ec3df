//! What the sidecar promises to those who would misuse it.
//!
//! The backend is a closed port: none of this needs a document. What must not leak while there is
//! one is in `promises_rendering`.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is missing"
)]

mod support;

use std::time::{Duration, Instant};

use erpgo_test_kit::Signal;
use support::{LIMIT, Pod, Request, Sidecar, TOKEN, ack};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const AWAY: &str = "http://127.0.0.1:9";
const CANARY: &str = "canary-service-account-token";

async fn sidecar() -> (Pod, Sidecar) {
    let pod = Pod::kubernetes(AWAY, CANARY);
    let sidecar = pod.start().await;
    (pod, sidecar)
}

async fn status(request: Request, port: u16) -> u16 {
    request.send(port).await.status
}

#[tokio::test]
async fn the_control_port_answers_the_token_and_nobody_else() {
    let (_pod, sidecar) = sidecar().await;
    let paths = [
        ("GET", "/v1/state"),
        ("PUT", "/v1/generation/1?timeout_seconds=0"),
        ("GET", "/v1/nothing"),
    ];
    for (method, path) in paths {
        let ask = || Request::new(method, path);
        assert_eq!(status(ask(), sidecar.control).await, 401, "{path}");
        assert_eq!(status(ask().bearer("wrong"), sidecar.control).await, 401);
        assert_eq!(
            status(ask().bearer(&TOKEN[..TOKEN.len() - 1]), sidecar.control).await,
            401
        );
        assert_eq!(
            status(ask().bearer(&format!("{TOKEN}x")), sidecar.control).await,
            401
        );
    }
    sidecar.state().await;
    let nudge = Request::new("PUT", "/v1/generation/1?timeout_seconds=0").bearer(TOKEN);
    assert_eq!(status(nudge, sidecar.control).await, 504);
    assert_eq!(
        sidecar
            .metric("erpgo_sidecar_refused_total{what=\"request\"}")
            .await,
        Some(12)
    );
}

#[tokio::test]
async fn a_forwarded_request_is_refused_even_with_the_token() {
    let (_pod, sidecar) = sidecar().await;
    for name in ["X-Forwarded-For", "Forwarded"] {
        let state = Request::get("/v1/state")
            .bearer(TOKEN)
            .header(name, "10.0.0.1");
        assert_eq!(status(state, sidecar.control).await, 403);
        let answer = Request::new("POST", "/v1/ack")
            .header(name, "10.0.0.1")
            .body(&ack(1));
        assert_eq!(status(answer, sidecar.ack).await, 403);
    }
}

#[tokio::test]
async fn a_replaced_token_file_counts_at_once() {
    let (pod, sidecar) = sidecar().await;
    pod.file("control-token", "another-token");
    let old = Request::get("/v1/state").bearer(TOKEN);
    assert_eq!(status(old, sidecar.control).await, 401);
    let new = Request::get("/v1/state").bearer("another-token");
    assert_eq!(status(new, sidecar.control).await, 200);
}

#[tokio::test]
async fn the_ack_port_takes_acks_and_nothing_else() {
    let (_pod, sidecar) = sidecar().await;
    for path in ["/", "/v1/state", "/health/live", "/metrics", "/v1/ack/"] {
        assert_eq!(
            status(Request::get(path).bearer(TOKEN), sidecar.ack).await,
            404,
            "{path}"
        );
    }
    assert_eq!(status(Request::get("/v1/ack"), sidecar.ack).await, 405);
    let post = |body: &str| Request::new("POST", "/v1/ack").body(body);
    assert_eq!(status(post("{}"), sidecar.ack).await, 400);
    assert_eq!(status(post(&"x".repeat(17 * 1024)), sidecar.ack).await, 413);
    assert_eq!(
        status(post(&ack(1)), sidecar.ack).await,
        409,
        "nothing is rendered"
    );
    assert_eq!(sidecar.state().await["acked"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_flood_of_idle_connections_neither_grows_nor_keeps_the_door_shut() {
    let (_pod, sidecar) = sidecar().await;
    let opened = Instant::now();
    let mut idle = Vec::new();
    for _ in 0..24 {
        idle.push(
            TcpStream::connect(("127.0.0.1", sidecar.control))
                .await
                .unwrap(),
        );
    }
    // 16 hold a seat until their head is overdue; the other 8 were closed unanswered.
    let asked = async {
        while status(Request::get("/health/live"), sidecar.control).await != 200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(LIMIT, asked).await.unwrap();
    assert!(
        opened.elapsed() >= Duration::from_secs(1),
        "the seats were taken"
    );
    let refused = sidecar
        .metric("erpgo_sidecar_refused_total{what=\"connection\"}")
        .await
        .unwrap();
    assert!(refused >= 8, "{refused} were refused");
}

#[tokio::test]
async fn a_large_head_is_refused() {
    let (_pod, sidecar) = sidecar().await;
    let large = Request::get("/v1/state")
        .bearer(TOKEN)
        .header("x-large", &"x".repeat(64 * 1024));
    let refused = large.send(sidecar.control).await.status;
    assert!(refused == 431 || refused == 0, "{refused}");
    let mut many = Request::get("/v1/state").bearer(TOKEN);
    for number in 0..64 {
        many = many.header(&format!("x-{number}"), "x");
    }
    let refused = many.send(sidecar.control).await.status;
    assert!(refused == 431 || refused == 0, "{refused}");
    sidecar.state().await;
}

#[tokio::test]
async fn an_ack_that_dribbles_in_is_cut() {
    let (_pod, sidecar) = sidecar().await;
    let mut stream = TcpStream::connect(("127.0.0.1", sidecar.ack))
        .await
        .unwrap();
    let head = "POST /v1/ack HTTP/1.1\r\nhost: t\r\ncontent-length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(LIMIT, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn no_credential_is_in_logs_environment_arguments_or_answers() {
    let (_pod, mut sidecar) = sidecar().await;
    sidecar
        .state_where(|state| state["backend"]["error_class"] == "unreachable")
        .await;
    let wrong = Request::get("/v1/state").bearer("canary-wrong-token");
    let mut seen = wrong.send(sidecar.control).await.body;
    seen += &Request::get("/metrics").send(sidecar.control).await.body;
    seen += &sidecar.state().await.to_string();
    let pid = sidecar.process.id().unwrap();
    for file in ["environ", "cmdline", "comm"] {
        let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap();
        assert!(!bytes.is_empty());
        seen += &String::from_utf8_lossy(&bytes);
    }
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let cores = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<_> = cores.unwrap().split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "no dump holds a value");
    sidecar.process.signal(Signal::TERM).unwrap();
    sidecar.process.wait(LIMIT).await.unwrap();
    seen += &sidecar.process.output();
    assert!(seen.contains("erpgo_sidecar_reads_total") && seen.contains(r#""msg":"ending""#));
    assert!(!seen.contains("canary"), "{seen}");
}

// From SIGTERM to the end of a sidecar that somebody waits for.
async fn time_to_end() -> Duration {
    let (_pod, mut sidecar) = sidecar().await;
    let nudge = Request::new("PUT", "/v1/generation/1?timeout_seconds=60").bearer(TOKEN);
    let waiting = tokio::spawn(nudge.send(sidecar.control));
    sidecar
        .state_where(|state| state["backend"]["error_class"] == "unreachable")
        .await;
    let asked = Instant::now();
    sidecar.process.signal(Signal::TERM).unwrap();
    let ended = sidecar.process.wait(LIMIT).await.unwrap();
    let took = asked.elapsed();
    assert_eq!(ended.code(), Some(0));
    assert_eq!(waiting.await.unwrap().status, 503);
    took
}

#[tokio::test]
async fn sigterm_ends_the_process_within_a_second_and_cuts_a_wait() {
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        fastest = fastest.min(time_to_end().await);
    }
    // The best of three: a busy machine makes any one of them late.
    assert!(fastest < Duration::from_secs(1), "{fastest:?}");
}

#[tokio::test]
async fn r15_3_an_invalid_environment_lists_every_fault_and_ends_with_78() {
    let pod = Pod::kubernetes("http://api.example:6443", CANARY)
        .with("SIDECAR_ACK_LISTEN", "0.0.0.0:8791")
        .with("SIDECAR_POLL_INTERVAL", "canary")
        .with("SIDECAR_KUBERNETES_SECRET", "");
    let mut process = pod.spawn();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(78));
    let faults = process.stdout();
    for name in [
        "_ACK_LISTEN",
        "_POLL_INTERVAL",
        "_KUBERNETES_SECRET",
        "_KUBERNETES_URL",
    ] {
        assert_eq!(
            faults.iter().filter(|line| line.contains(name)).count(),
            1,
            "{faults:?}"
        );
    }
    assert!(!process.output().contains("canary"));
}
