//! Every failure is a problem with a code (R3, P3, P5).

use axum::Router;
use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use proptest::prelude::*;
use serde_json::{Value, json};

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
    erpgo::layers::apply(routes, &world.state).with_state(world.state.clone())
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

/// Every operation of the document, with its path filled in.
pub fn operations() -> Vec<(Method, String, Value)> {
    let document = serde_json::to_value(erpgo::router::document()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else {
                continue;
            };
            if operation.get("responses").is_none() {
                continue;
            }
            let mut filled = path.clone();
            while let (Some(open), Some(close)) = (filled.find('{'), filled.find('}')) {
                filled.replace_range(open..=close, &uuid::Uuid::now_v7().to_string());
            }
            found.push((method, filled, operation.clone()));
        }
    }
    found
}

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(json!("'; DROP TABLE users; --")),
        Just(json!("\u{0}")),
    ];
    let names = prop_oneof![
        Just("email".to_owned()),
        Just("password".to_owned()),
        Just("name".to_owned()),
        Just("first_name".to_owned()),
        Just("last_name".to_owned()),
        Just("permissions".to_owned()),
        Just("user_id".to_owned()),
        Just("role_id".to_owned()),
        Just("is_active".to_owned()),
        Just("refresh_token".to_owned()),
        "[a-z_]{1,10}",
    ];
    leaf.prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(names.clone(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Anything, or a parameter that some list knows with a value that a database may not take.
fn arbitrary_query() -> impl Strategy<Value = String> {
    let names = vec![
        "from",
        "to",
        "target",
        "created_after",
        "created_before",
        "sku",
        "search",
        "page",
        "cursor",
    ];
    let values = vec![
        "-009000-01-01T00:00:00Z",
        "9999-12-30T22:00:00.999999999Z",
        "user:%00",
        "%00%00%00",
        "4294967295",
    ];
    let known = (
        proptest::sample::select(names),
        proptest::sample::select(values),
    );
    prop_oneof![
        "[?]?[a-zTZ_=&%0-9:.+-]{0,20}",
        known.prop_map(|(name, value)| format!("{name}={value}")),
    ]
}

/// P3: whatever comes in, at whatever endpoint, what goes out is a success or a structured refusal.
#[test]
fn p03_any_invalid_input_at_any_endpoint_gets_a_structured_error() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let yaml = SETTINGS.replace("login_per_ip: 0", "login_per_ip: 0, lockout_failures: 1000");
    let (world, token) = runtime.block_on(async {
        let world = World::with(&yaml, None).await;
        let token = world.admin().await;
        (world, token)
    });
    let operations: Vec<_> = operations()
        .into_iter()
        // It would end the session that the other cases need.
        .filter(|(_, path, _)| !path.ends_with("/logout") && !path.starts_with("/health"))
        .collect();
    assert!(operations.len() >= 15);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(300));
    let input = (0..operations.len(), arbitrary_json(), arbitrary_query());
    runner
        .run(&input, |(index, body, query)| {
            let (method, path, _) = &operations[index];
            let path = if *method == Method::GET {
                format!("{path}?{}", query.trim_start_matches('?'))
            } else {
                path.clone()
            };
            let answer = runtime.block_on(world.call(method.clone(), &path, &token, Some(body)));
            prop_assert!(
                answer.status.as_u16() < 500,
                "{} {}: {}",
                method,
                path,
                answer.text
            );
            if answer.status.as_u16() >= 400 {
                let problem = is_problem(&answer);
                if problem["code"] == "VALIDATION_ERROR" {
                    let errors = problem["errors"].as_array().unwrap();
                    prop_assert!(!errors.is_empty());
                    for error in errors {
                        prop_assert!(error["pointer"].as_str().unwrap().starts_with('#'));
                        prop_assert!(error["code"].is_string() && error["detail"].is_string());
                    }
                }
            }
            Ok(())
        })
        .unwrap();
    runtime.block_on(async { drop(world) });
}

/// An error as any part of the program may end with.
#[derive(Clone, Debug)]
enum Made {
    Refused(usize, String),
    Internal(String),
    Unavailable(String),
    Database(&'static str),
}

impl Made {
    fn error(&self) -> erpgo::error::Error {
        use erpgo::error::{Code, Error};
        match self {
            Self::Refused(code, detail) => Error::refused(Code::ALL[*code], detail.clone()),
            Self::Internal(text) => Error::internal("test", text.clone()),
            Self::Unavailable(text) => Error::Unavailable {
                operation: "test",
                source: text.clone().into(),
            },
            Self::Database("pool") => Error::database("test", sqlx::Error::PoolTimedOut),
            Self::Database("row") => Error::database("test", sqlx::Error::RowNotFound),
            Self::Database(text) => {
                Error::database("test", sqlx::Error::Configuration((*text).into()))
            }
        }
    }
}

/// P5: whatever an error is, the client gets its code, the status of that code and a whole problem; of
/// what broke here it learns nothing (r03_1, r03_5).
#[test]
fn p05_any_error_reaches_the_client_typed_and_coded() {
    use erpgo::error::{Code, Error};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(World::new());
    let next: std::sync::Arc<std::sync::Mutex<Option<Error>>> = std::sync::Arc::default();
    let given = std::sync::Arc::clone(&next);
    let route = axum::routing::get(move || {
        let error = given.lock().unwrap().take().unwrap();
        async move { Err::<StatusCode, Error>(error) }
    });
    let routes = Router::new().route("/fails", route);
    let router = erpgo::layers::apply(routes, &world.state).with_state(world.state.clone());
    let made = prop_oneof![
        ((0..Code::ALL.len()), "\\PC{1,40}").prop_map(|(code, text)| Made::Refused(code, text)),
        "canary-[a-z]{8}".prop_map(Made::Internal),
        "canary-[a-z]{8}".prop_map(Made::Unavailable),
        proptest::sample::select(vec!["pool", "row", "canary-other"]).prop_map(Made::Database),
    ];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(200));
    runner
        .run(&made, |made| {
            let error = made.error();
            let code = error.code();
            *next.lock().unwrap() = Some(error);
            let answer = runtime.block_on(raw(&router, "GET", "/fails", None, vec![]));
            prop_assert_eq!(answer.status, code.status());
            let problem = is_problem(&answer);
            prop_assert_eq!(&problem["code"], code.as_str());
            prop_assert_eq!(&problem["title"], code.title());
            match &made {
                Made::Refused(_, detail) => prop_assert_eq!(&problem["detail"], detail),
                _ => prop_assert!(!answer.text.contains("canary"), "{}", answer.text),
            }
            Ok(())
        })
        .unwrap();
    runtime.block_on(async { drop(world) });
}
