//! What a page of another origin may ask, send and read.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Method, Request};

use crate::openapi::operations;
use crate::world::{Answer, SETTINGS, World, call_with, send};

const SHOP: &str = "https://shop.example";

/// Named are the pages of the shop.
async fn shop() -> World {
    let yaml = format!("{SETTINGS}\ncors: {{ allowed_origins: [\"{SHOP}\"] }}");
    World::with(&yaml, None).await
}

/// What a browser asks before it sends something for a page of `origin`.
async fn before(world: &World, origin: &str) -> Answer {
    let request = Request::options("/api/v1/users")
        .header("origin", origin)
        .header("access-control-request-method", "GET")
        .body(Body::empty())
        .unwrap();
    send(&world.router, request).await
}

/// The names that the header `list` has.
fn names(answer: &Answer, list: &str) -> BTreeSet<String> {
    let list = answer.headers[list].to_str().unwrap();
    let name = |name: &str| name.trim().to_ascii_lowercase();
    list.split(',').map(name).collect()
}

#[tokio::test]
async fn only_named_origins_may_call_from_a_browser() {
    let world = shop().await;
    let allowed = before(&world, SHOP).await;
    assert_eq!(allowed.headers["access-control-allow-origin"], SHOP);
    let refused = before(&world, "https://evil.example").await;
    assert!(!refused.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn a_page_may_send_and_read_every_header_that_the_document_or_the_guide_names() {
    let world = shop().await;
    let sent = names(&before(&world, SHOP).await, "access-control-allow-headers");
    let live = (Method::GET, "/health/live");
    let answer = call_with(&world.router, live, "", &[("origin", SHOP)], None).await;
    let read = names(&answer, "access-control-expose-headers");
    for name in ["authorization", "content-type", "x-request-id"] {
        assert!(sent.contains(name), "{name} is not in {sent:?}");
    }
    for name in [
        "allow",
        "content-disposition",
        "ratelimit",
        "ratelimit-policy",
        "retry-after",
        "www-authenticate",
        "x-request-id",
    ] {
        assert!(read.contains(name), "{name} is not in {read:?}");
    }
    let mut seen = BTreeSet::new();
    for (method, path, operation) in operations() {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap().to_ascii_lowercase();
            if parameter["in"] == "header" {
                assert!(sent.contains(&name), "{method} {path}: {name}");
                seen.insert(name);
            }
        }
        for answer in operation["responses"].as_object().unwrap().values() {
            for name in answer["headers"].as_object().into_iter().flatten() {
                let name = name.0.to_ascii_lowercase();
                assert!(read.contains(&name), "{method} {path}: {name}");
                seen.insert(name);
            }
        }
    }
    assert!(seen.len() >= 6, "{seen:?}");
}
