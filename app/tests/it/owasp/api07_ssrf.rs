//! API7: nothing that a client sends makes this program call somewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::properties;
use crate::openapi::operations;
use crate::world::{World, until};

#[tokio::test]
async fn an_address_in_any_field_or_header_is_never_called() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("http://{address}/x");
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let accepting = tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let world = World::new().await;
    let admin = world.admin().await;
    let mut sent = 0;
    for (method, path, operation) in operations() {
        if path.ends_with("/logout") || operation.get("requestBody").is_none() {
            continue;
        }
        for body in bodies(&operation, &url) {
            let answer = world.call(method.clone(), &path, &admin, Some(body)).await;
            assert!(
                answer.status.as_u16() < 500,
                "{method} {path}: {}",
                answer.text
            );
            sent += 1;
        }
    }
    assert!(sent >= 15, "{sent}");
    // A token whose header says where its key is.
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for name in ["jku", "x5u"] {
        let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": url, name: url});
        let token = format!("{}.{}.AAAA", part(header), part(json!({"iss": url})));
        world
            .get("/api/v1/profile", &token)
            .await
            .refused(401, "TOKEN_INVALID");
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    // It would have been seen.
    let _call = tokio::net::TcpStream::connect(address).await.unwrap();
    until("a call is counted", || async {
        calls.load(Ordering::SeqCst) == 1
    })
    .await;
    accepting.abort();
}

/// The operation's body with the address in every text field, once in all of them and once in each.
fn bodies(operation: &Value, url: &str) -> Vec<Value> {
    let fields = properties(operation);
    let value = |field: &Value| match field["type"].as_str() {
        Some("array") => json!([url]),
        Some("boolean") => json!(true),
        _ => json!(url),
    };
    let all: Value = fields
        .iter()
        .map(|(name, field)| (name.clone(), value(field)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let each = fields
        .iter()
        .map(|(name, field)| json!({ name: value(field) }));
    std::iter::once(all).chain(each).collect()
}
