//! What this test process logs, and what it must (R3, R5, R6).

use std::sync::LazyLock;

use axum::body::Body;
use erpgo_telemetry::{Format, Options};
use erpgo_test_kit::log::Log;
use http::Request;
use serde_json::Value;

use crate::world::{SETTINGS, World, send};

/// Everything that this test process logs, at every level: its one subscriber.
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
    assert!(!LOG.has("not-logged"));
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
