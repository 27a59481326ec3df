//! Whatever comes in and whatever breaks, what goes out is a success or a whole problem (P3, P5).

use std::sync::{Arc, Mutex};

use axum::Router;
use erpgo::error::{Code, Error};
use http::{Method, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{is_problem, raw};
use crate::openapi::operations;
use crate::runtime::one_thread;
use crate::world::{SETTINGS, World};

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
    let runtime = one_thread();
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
    fn error(&self) -> Error {
        match self {
            Self::Refused(code, detail) => Error::refused(Code::ALL[*code], detail.clone()),
            Self::Internal(text) => Error::internal("test", text.clone()),
            Self::Unavailable(text) => Error::Unavailable {
                operation: "test",
                source: Box::<dyn std::error::Error + Send + Sync>::from(text.clone()).into(),
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
    let runtime = one_thread();
    let world = runtime.block_on(World::new());
    let next: Arc<Mutex<Option<Error>>> = Arc::default();
    let given = Arc::clone(&next);
    let route = axum::routing::get(move || {
        let error = given.lock().unwrap().take().unwrap();
        async move { Err::<StatusCode, Error>(error) }
    });
    let routes = Router::new().route("/fails", route);
    let router = erpgo::layers::apply(routes, Default::default(), &world.state)
        .with_state(world.state.clone());
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
