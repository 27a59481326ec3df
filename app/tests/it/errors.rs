//! Every failure is a problem with a code (R3, P3, P5).

mod properties;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode, header};
use serde_json::Value;

use crate::world::{Answer, SETTINGS, World, send};

/// Asserts that `answer` is a whole problem.
pub fn is_problem(answer: &Answer) -> Value {
    assert_eq!(
        answer.headers[header::CONTENT_TYPE],
        "application/problem+json",
        "{}",
        answer.text
    );
    let problem = answer.json();
    assert_eq!(problem["status"], answer.status.as_u16(), "{problem}");
    for name in [
        "type",
        "title",
        "detail",
        "instance",
        "code",
        "request_id",
        "trace_id",
    ] {
        assert!(
            problem[name].as_str().is_some_and(|text| !text.is_empty()),
            "{name}: {problem}"
        );
    }
    assert_eq!(
        problem["request_id"],
        answer.headers["x-request-id"].to_str().unwrap()
    );
    problem
}

async fn raw(
    router: &Router,
    method: &str,
    path: &str,
    kind: Option<&str>,
    body: Vec<u8>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(kind) = kind {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    send(router, request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn every_failure_of_the_framework_is_a_problem() {
    let world = World::new().await;
    let login = "/api/v1/auth/login";
    let json_type = Some("application/json");
    let table = [
        ("GET", "/nowhere", None, vec![], 404, "NOT_FOUND"),
        ("GET", "/api/v1/nowhere", None, vec![], 404, "NOT_FOUND"),
        ("GET", login, None, vec![], 405, "METHOD_NOT_ALLOWED"),
        ("BREW", login, None, vec![], 405, "METHOD_NOT_ALLOWED"),
        (
            "POST",
            login,
            None,
            b"{}".to_vec(),
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (
            "POST",
            login,
            Some("text/plain"),
            b"{}".to_vec(),
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (
            "POST",
            login,
            json_type,
            vec![b' '; 1_048_577],
            413,
            "PAYLOAD_TOO_LARGE",
        ),
        ("POST", login, json_type, b"{".to_vec(), 400, "INVALID_JSON"),
        ("POST", login, json_type, vec![], 400, "INVALID_JSON"),
        (
            "POST",
            login,
            json_type,
            b"\xff\xfe".to_vec(),
            400,
            "INVALID_JSON",
        ),
        (
            "POST",
            login,
            json_type,
            b"[]".to_vec(),
            400,
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            login,
            json_type,
            b"{\"email\":1,\"password\":\"x\"}".to_vec(),
            400,
            "VALIDATION_ERROR",
        ),
    ];
    for (method, path, kind, body, status, code) in table {
        let answer = raw(&world.router, method, path, kind, body).await;
        answer.refused(status, code);
        assert_eq!(is_problem(&answer)["instance"], path);
    }
    let answer = raw(&world.router, "GET", login, None, vec![]).await;
    assert_eq!(answer.headers[header::ALLOW], "POST");
}

fn with_routes(world: &World) -> Router {
    use axum::routing::get;
    let routes = Router::new()
        .route(
            "/panics",
            get(async || -> StatusCode { panic!("secret text of a panic") }),
        )
        .route(
            "/hangs",
            get(async || std::future::pending::<StatusCode>().await),
        );
    erpgo::layers::apply(routes, Default::default(), &world.state).with_state(world.state.clone())
}

#[tokio::test]
async fn a_panic_is_a_problem_that_tells_nothing_of_it() {
    let world = World::new().await;
    let router = with_routes(&world);
    let answer = raw(&router, "GET", "/panics", None, vec![]).await;
    answer.refused(500, "INTERNAL_ERROR");
    is_problem(&answer);
    assert!(!answer.text.contains("secret text"));
    raw(&router, "GET", "/panics", None, vec![])
        .await
        .refused(500, "INTERNAL_ERROR");
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_cut_off_with_a_problem() {
    let yaml = format!("{SETTINGS}\nhttp: {{ request_timeout: 1s }}");
    let world = World::with(&yaml, None).await;
    let answer = raw(&with_routes(&world), "GET", "/hangs", None, vec![]).await;
    answer.refused(504, "REQUEST_TIMEOUT");
    is_problem(&answer);
}

#[tokio::test]
async fn r03_3_a_request_id_is_kept_if_well_formed_and_replaced_if_not() {
    let world = World::new().await;
    let ask = async |id: &str| {
        let request = Request::get("/nowhere")
            .header("x-request-id", id)
            .body(Body::empty())
            .unwrap();
        is_problem(&send(&world.router, request).await)["request_id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(ask("order-42.a_B").await, "order-42.a_B");
    for bad in ["a b", "a\"b", "<script>", &"x".repeat(65)] {
        assert_ne!(ask(bad).await, bad);
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let world = World::new().await;
    for path in ["/health/live", "/nowhere", "/api/v1/users"] {
        let answer = world.get(path, "").await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
            ("cache-control", "no-store"),
            (
                "strict-transport-security",
                "max-age=31536000; includeSubDomains",
            ),
        ] {
            assert_eq!(answer.headers[name], value, "{path}");
        }
        assert!(answer.headers.contains_key("x-request-id"), "{path}");
    }
}
