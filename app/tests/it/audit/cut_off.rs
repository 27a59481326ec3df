//! Exports that fail in their midst: nobody is told but the log and the metrics.

use std::sync::LazyLock;

use axum::body::Body;
use erpgo::metrics::METRICS;
use http::response::Parts;
use http::{Method, Request, header};
use http_body_util::BodyExt as _;

use super::{run, superuser};
use crate::log::LOG;
use crate::world::World;

const EXPORTS: [&str; 2] = ["/api/v1/audit/export", "/api/v1/profile/export"];

/// A world with more events of an auditor than one part of an export has, and their token.
async fn busy() -> (World, String) {
    let world = World::new().await;
    let (id, token) = world.user("auditor@example.org", &["audit.read"]).await;
    let sql = format!(
        "INSERT INTO audit_events (id, action, outcome, actor)
         SELECT gen_random_uuid(), 'auth.signed_out', 'success', '{id}' FROM generate_series(1, 1201)"
    );
    run(&mut superuser(&world).await, &sql).await.unwrap();
    (world, token)
}

/// An export that has begun, of whose body nothing was read yet; `id` is the request's.
async fn begun(world: &World, path: &str, token: &str, id: &str) -> (Parts, Body) {
    let request = Request::get(path)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header("x-request-id", id)
        .body(Body::empty())
        .unwrap();
    let (head, body) = crate::world::begun(&world.router, request).await;
    assert_eq!(head.status, 200, "{path}");
    (head, body)
}

/// Reads up to the first event.
async fn first_part(body: &mut Body) {
    let mut text = String::new();
    while !text.contains("auth.signed_out") {
        let frame = body.frame().await.unwrap().unwrap();
        text += &String::from_utf8_lossy(frame.data_ref().unwrap());
    }
    assert!(text.matches("auth.signed_out").count() < 1201);
}

/// How often the end of this request in its midst was logged.
fn cut_off(id: &str) -> usize {
    let mut told = LOG.lines_with(id);
    told.retain(|line| line["message"] == "an answer was cut off in its midst");
    assert!(
        told.iter().all(|line| line["level"] == "ERROR"),
        "{told:#?}"
    );
    told.len()
}

#[tokio::test]
async fn an_export_that_the_database_leaves_in_its_midst_is_logged_and_counted() {
    LazyLock::force(&LOG);
    for path in EXPORTS {
        let (world, token) = busy().await;
        let (whole, half) = (uuid::Uuid::now_v7(), uuid::Uuid::now_v7());
        let (whole, half) = (whole.to_string(), half.to_string());
        let export = begun(&world, path, &token, &whole).await;
        crate::world::whole((&Method::GET, path), export).await;
        assert_eq!(cut_off(&whole), 0, "{path}");

        let before = METRICS.cut_off.get();
        let (_, mut body) = begun(&world, path, &token, &half).await;
        first_part(&mut body).await;
        assert_eq!(cut_off(&half), 0, "{path}");
        world.state.database.close().await;
        assert!(body.collect().await.is_err(), "{path}");
        assert_eq!(cut_off(&half), 1, "{path}");
        assert!(METRICS.cut_off.get() > before, "{path}");
    }
}
