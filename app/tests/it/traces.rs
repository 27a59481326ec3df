//! Trace ids and spans (R12, P15).

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use axum::body::Body;
use erpgo_telemetry::{Format, Options};
use http::{Method, Request};
use proptest::prelude::*;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::mail::Post;
use crate::mail::sink::{Mood, code};
use crate::spans::Recorder;
use crate::world::{ADMIN, SETTINGS, World, call, send};

/// Everything that this test process logs, at every level.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<Arc<str>>>>);

impl Log {
    /// As they were written: whole lines. Those who write need not wait until they are looked through.
    fn events(&self) -> Vec<Arc<str>> {
        self.0.lock().unwrap().clone()
    }

    pub fn text(&self) -> String {
        self.events().iter().map(|event| &**event).collect()
    }

    pub fn lines_with(&self, needle: &str) -> Vec<Value> {
        self.events()
            .iter()
            .flat_map(|event| event.lines())
            .filter(|line| line.contains(needle))
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
            .collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let event = String::from_utf8_lossy(bytes).into();
        self.0.lock().unwrap().push(event);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The one subscriber of this test process.
pub static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let options = Options {
        service: "erpgo",
        version: "test",
        format: Format::Json,
        filter: "trace,hyper=info,tower=info".into(),
        otlp: None,
    };
    let (subscriber, _telemetry) = erpgo_telemetry::build(&options, log.clone()).unwrap();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    log
});

/// P15: the trace ids of any two concurrent requests differ.
#[test]
fn p15_concurrent_requests_have_different_traces() {
    LazyLock::force(&LOG);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
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

#[tokio::test]
async fn r03_3_the_log_line_of_a_request_names_id_trace_user_and_path() {
    LazyLock::force(&LOG);
    let world = World::with(SETTINGS, None).await;
    let (id, token) = world.user("kim@example.org", &[]).await;
    let request = Request::get("/api/v1/users?search=not-logged")
        .header("authorization", format!("Bearer {token}"))
        .header("x-request-id", "names-id-trace-user-and-path")
        .body(Body::empty())
        .unwrap();
    let problem = send(&world.router, request).await.json();
    let lines = LOG.lines_with("names-id-trace-user-and-path");
    let line = lines
        .iter()
        .find(|line| line["message"] == "request answered")
        .unwrap();
    let span = &line["span"];
    assert_eq!(span["request_id"], "names-id-trace-user-and-path");
    assert_eq!(span["trace_id"], problem["trace_id"]);
    assert_eq!(span["user_id"], id.as_str());
    assert_eq!(span["http.route"], "/api/v1/users");
    assert_eq!(
        (&line["status"], &line["level"]),
        (&Value::from(403), &Value::from("INFO"))
    );
    let refused = lines
        .iter()
        .find(|line| line["message"] == "request refused")
        .unwrap();
    assert_eq!(refused["code"], "FORBIDDEN");
    assert!(!LOG.text().contains("not-logged"));
}

/// The log tells what failed and every reason of it; the client learns nothing of that (r03_5).
#[tokio::test]
async fn r03_2_a_failure_is_logged_once_with_its_whole_chain_and_shown_to_nobody() {
    LazyLock::force(&LOG);
    let world = World::new().await;
    let token = world.admin().await;
    sqlx::raw_sql("ALTER TABLE products RENAME TO gone")
        .execute(&world.state.database.pool())
        .await
        .unwrap();
    let request = Request::get("/api/v1/products")
        .header("authorization", format!("Bearer {token}"))
        .header("x-request-id", "the-whole-chain-of-a-failure")
        .body(Body::empty())
        .unwrap();
    let answer = send(&world.router, request).await;
    answer.refused(500, "INTERNAL_ERROR");
    let mut lines = LOG.lines_with("the-whole-chain-of-a-failure");
    lines.retain(|line| line["message"] == "request failed");
    let [line] = &lines[..] else {
        panic!("{lines:#?}");
    };
    assert_eq!(line["code"], "INTERNAL_ERROR");
    let error = line["error"].as_str().unwrap();
    for part in ["list products", "relation \"products\" does not exist"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    for part in ["list products", "does not exist"] {
        assert!(!answer.text.contains(part), "{part}: {}", answer.text);
    }
}

/// r12_2, too.
#[tokio::test]
async fn r12_1_2_a_request_has_a_span_and_each_query_and_redis_call_one_within_it() {
    let redis = erpgo_test_kit::redis::server().await;
    let world = World::with(SETTINGS, Some(&redis.url())).await;
    world.redis_is_listening().await;
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
        let body = json!({"email": ADMIN});
        post.world
            .post("/api/v1/auth/forgot-password", "", body)
            .await
            .expect(202);
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

/// The log names address and name of each limit that is hit, and of nobody who was let in.
#[tokio::test]
async fn r05_4_each_limit_hit_is_logged_with_address_and_name() {
    LazyLock::force(&LOG);
    let yaml = SETTINGS.replace("login_per_ip: 0", "login_per_ip: 6, lockout_failures: 2");
    let world = World::with(&yaml, None).await;
    let tried = "limit-hit-by@example.org";
    for status in [401, 401, 401, 401, 401, 401, 429] {
        world.login(tried, "wrong").await.expect(status);
    }
    let warned = |limit: &str| {
        let lines = LOG.lines_with(tried).into_iter();
        lines
            .filter(|line| line["limit"] == limit && line["level"] == "WARN")
            .collect::<Vec<_>>()
    };
    // The second failure locks, and the four after it meet the lock; the seventh try is one too many.
    for (limit, times) in [("lockout", 5), ("login_per_ip", 1)] {
        let lines = warned(limit);
        assert_eq!(lines.len(), times, "{limit}: {lines:?}");
        for line in lines {
            assert_eq!(line["identifier"], tried, "{line}");
            assert_eq!(line["ip"], "127.0.0.1", "{line}");
        }
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

/// A query that takes longer than 100 ms is logged by its name (R6.4).
#[tokio::test]
async fn r06_4_a_slow_query_is_logged_by_name_and_a_quick_one_is_not() {
    LazyLock::force(&LOG);
    let world = World::new().await;
    let mut connection = world.state.database.acquire().await.unwrap();
    for (name, seconds) in [("test.slow_one", 0.2), ("test.quick_one", 0.0)] {
        let query = sqlx::query("SELECT pg_sleep($1)")
            .bind(seconds)
            .execute(&mut *connection);
        erpgo::db::observed(erpgo::db::QueryType::Select, name, query)
            .await
            .unwrap();
    }
    let slow = LOG.lines_with("test.slow_one");
    let line = slow
        .iter()
        .find(|line| line["message"] == "slow query")
        .unwrap();
    assert!(line["duration_seconds"].as_f64().unwrap() >= 0.2);
    // On a busy machine it may have been slow indeed.
    let mut quick = LOG.lines_with("test.quick_one");
    quick.retain(|line| line["message"] == "slow query");
    let durations = quick.iter().map(|line| line["duration_seconds"].as_f64());
    assert!(
        durations.flatten().all(|seconds| seconds >= 0.1),
        "{quick:?}"
    );
}
