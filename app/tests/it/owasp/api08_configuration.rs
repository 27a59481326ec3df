//! API8: what is on is what is needed, and no answer tells how it is made. Security headers, CORS and
//! panics are in `errors`.

use axum::body::Body;
use http::{Method, Request, header};

use crate::errors::is_problem;
use crate::world::{World, send};

#[tokio::test]
async fn methods_that_nobody_needs_are_refused() {
    let world = World::new().await;
    for method in ["TRACE", "CONNECT", "PROPFIND", "DEBUG", "TRACK", "PURGE"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = world.call(method.clone(), "/api/v1/users", "", None).await;
        answer.refused(405, "METHOD_NOT_ALLOWED");
        is_problem(&answer);
    }
}

#[tokio::test]
async fn no_answer_tells_what_it_was_made_with() {
    let world = World::new().await;
    let admin = world.admin().await;
    let long = "/api/v1/users/".to_owned() + &"x".repeat(200);
    for path in [
        "/health/live",
        "/nowhere",
        "/api/v1/users",
        "/api/v1/users?limit=x",
        &long,
    ] {
        let answer = world.get(path, &admin).await;
        for name in ["server", "x-powered-by", "via"] {
            assert!(!answer.headers.contains_key(name), "{path}: {name}");
        }
        let text = answer.text.to_lowercase();
        for word in [
            "sqlx",
            "postgres",
            "panicked",
            "src/",
            ".rs:",
            "stack backtrace",
            "axum",
        ] {
            assert!(!text.contains(word), "{path} says {word}: {text}");
        }
    }
}

#[tokio::test]
async fn an_answer_to_a_signed_in_caller_is_stored_nowhere_on_the_way() {
    let world = World::new().await;
    let admin = world.admin().await;
    let answer = world.get("/api/v1/profile", &admin).await.expect(200);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    // No origin is let in unless it is named; credentials never are.
    let request = Request::get("/api/v1/profile")
        .header(header::AUTHORIZATION, format!("Bearer {admin}"))
        .header(header::ORIGIN, "https://evil.example");
    let answer = send(&world.router, request.body(Body::empty()).unwrap()).await;
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
    assert!(
        !answer
            .headers
            .contains_key("access-control-allow-credentials")
    );
}
