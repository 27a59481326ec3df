//! Trace ids and spans (R12, P15).

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex};

use axum::body::Body;
use http::{Method, Request};
use proptest::prelude::*;

use crate::log::LOG;
use crate::mail::Post;
use crate::mail::sink::{Mood, code};
use crate::runtime::two_threads;
use crate::spans::Recorder;
use crate::world::{ADMIN, World, call, send};

/// P15: the trace ids of any two concurrent requests differ.
#[test]
fn p15_concurrent_requests_have_different_traces() {
    LazyLock::force(&LOG);
    let runtime = two_threads();
    let world = runtime.block_on(World::new());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(100));
    let seen = Mutex::new(HashSet::new());
    runner
        .run(&(2usize..12), |number| {
            runtime.block_on(async {
                let requests: Vec<_> = (0..number)
                    .map(|_| {
                        let router = world.router.clone();
                        tokio::spawn(async move {
                            call(&router, Method::GET, "/nowhere", "", None)
                                .await
                                .json()
                        })
                    })
                    .collect();
                for request in requests {
                    let problem = request.await.unwrap();
                    let id = problem["trace_id"].as_str().unwrap().to_owned();
                    assert_eq!(id.len(), 32);
                    assert!(seen.lock().unwrap().insert(id), "a trace id came twice");
                }
            });
            Ok(())
        })
        .unwrap();
    runtime.block_on(async { drop(world) });
}

#[tokio::test]
async fn r12_3_a_callers_trace_is_continued() {
    LazyLock::force(&LOG);
    let world = World::new().await;
    let request = Request::get("/nowhere")
        .header(
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        )
        .body(Body::empty())
        .unwrap();
    let answer = send(&world.router, request).await;
    assert_eq!(
        answer.json()["trace_id"],
        "4bf92f3577b34da6a3ce929d0e0e4736"
    );
}

/// r12_2, too.
#[tokio::test]
async fn r12_1_2_a_request_has_a_span_and_each_query_and_redis_call_one_within_it() {
    let (_redis, world) = World::with_redis().await;
    let recorder = Recorder::default();
    let seen = {
        let _here = recorder.listen();
        world
            .login("secret-mail@example.org", "wrong wrong")
            .await
            .expect(401);
        recorder.all()
    };
    let named = |name: &str| {
        seen.iter()
            .filter(|span| span.name == name)
            .collect::<Vec<_>>()
    };
    let [request] = named("http.request")[..] else {
        panic!("{seen:#?}");
    };
    assert!(request.parents.is_empty());
    assert!(
        request.fields.contains("POST /api/v1/auth/login"),
        "{request:?}"
    );
    let queries = named("db.query");
    for expected in ["auth.credentials", "audit_events.record"] {
        assert!(
            queries.iter().any(|span| span.fields.contains(expected)),
            "{expected}: {queries:#?}"
        );
    }
    let calls = named("redis.command");
    assert!(!calls.is_empty(), "{seen:#?}");
    for span in queries.iter().chain(&calls) {
        assert!(span.parents.contains(&"http.request"), "{span:?}");
        assert!(span.fields.contains("otel.kind=\"client\""), "{span:?}");
    }
    // Names and kinds, never values (I-04).
    assert!(
        seen.iter().all(|span| !span.fields.contains("secret-mail")),
        "{seen:#?}"
    );
}

/// An outgoing call has a span of its own and carries the trace on (R12.3).
#[tokio::test]
async fn r12_3_an_outgoing_call_carries_the_trace_on() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tracing::Instrument as _;
    LazyLock::force(&LOG);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 4096];
        let count = stream.read(&mut head).await.unwrap();
        let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        String::from_utf8_lossy(&head[..count]).into_owned()
    });
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let span = tracing::info_span!("caller");
    erpgo_telemetry::adopt(&span, &parent.parse().unwrap());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = erpgo::outgoing::send("peer", client.post(&url))
        .instrument(span)
        .await;
    assert_eq!(answer.unwrap().status(), 204);
    let head = served.await.unwrap().to_lowercase();
    let sent = head
        .lines()
        .find_map(|line| line.strip_prefix("traceparent: "))
        .unwrap();
    assert!(sent.contains("4bf92f3577b34da6a3ce929d0e0e4736"), "{sent}");
    assert!(
        !sent.contains("00f067aa0ba902b7"),
        "the call has a span of its own: {sent}"
    );
}

/// A mail has a span of its own, which tells how it ended and nothing of whom it is for (I-04).
#[tokio::test]
async fn r12_3_a_mail_that_is_sent_has_a_span_and_one_that_is_not_says_so() {
    for (mood, fails) in [(Mood::Takes, false), (Mood::Never, true)] {
        let recorder = Recorder::default();
        let _here = recorder.listen();
        let post = Post::new(mood).await;
        post.world.forgot(ADMIN).await.expect(202);
        post.nothing_waits().await;
        let [span] = &recorder.named("smtp.client")[..] else {
            panic!("{:#?}", recorder.all());
        };
        assert!(span.closed, "{span:?}");
        for field in ["otel.kind=\"client\"", "peer.service=\"smtp\"", "mail_id="] {
            assert!(span.fields.contains(field), "{span:?}");
        }
        let status = span.fields.contains("otel.status_code=\"ERROR\"");
        assert_eq!(status, fails, "{span:?}");
        let name = ADMIN.split('@').next().unwrap();
        let secret = post.sink.mails().first().map(|mail| code(mail));
        for hidden in [name, "erp@"].into_iter().chain(secret.as_deref()) {
            assert!(!span.fields.contains(hidden), "{span:?}");
        }
        assert_eq!(secret.is_some(), !fails);
    }
}

/// A span tells what failed by its status, what it was about by its fields, and how long it took by
/// its beginning and end, which the exporter takes from these.
#[tokio::test]
async fn r12_5_errors_fields_and_ends_of_spans_are_seen() {
    let world = World::new().await;
    let mut connection = world.state.database.acquire().await.unwrap();
    let recorder = Recorder::default();
    let seen = {
        let _here = recorder.listen();
        for (name, sql) in [("test.fails", "SELECT 1/0"), ("test.works", "SELECT 1")] {
            let query = sqlx::query(sql).execute(&mut *connection);
            let _ = erpgo::db::observed(erpgo::db::QueryType::Select, name, query).await;
        }
        world.get("/health/live", "").await.expect(200);
        recorder.all()
    };
    let fields = |part: &str| {
        let span = seen.iter().find(|span| span.fields.contains(part));
        let span = span.unwrap_or_else(|| panic!("{part}: {seen:#?}"));
        assert!(span.closed, "{span:?}");
        span.fields.clone()
    };
    assert!(fields("test.fails").contains("otel.status_code=\"ERROR\""));
    assert!(!fields("test.works").contains("ERROR"));
    let request = fields("GET /health/live");
    assert!(
        request.contains("http.response.status_code=200"),
        "{request}"
    );
    assert!(!request.contains("ERROR"), "{request}");
}
