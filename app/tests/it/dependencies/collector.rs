//! A collector of traces that is away.

use erpgo_test_kit::port;
use http::Method;
use serde_json::{Value, json};

use crate::program::{Program, served};
use crate::tx::killed::CONFIG;
use crate::world::Answer;

/// The status of one request, whose answer is read to its end and held against the document.
async fn answered(
    program: &Program,
    client: &reqwest::Client,
    token: &str,
    (method, path, body): (Method, &str, Option<Value>),
) -> u16 {
    let path = format!("/api/v1{path}");
    let url = format!("http://{}{path}", program.api);
    let mut request = client.request(method.clone(), url).bearer_auth(token);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    let answer = Answer {
        status: answer.status(),
        headers: answer.headers().clone(),
        text: answer.text().await.unwrap(),
    };
    crate::conform::check(&method, &path, &answer);
    answer.status.as_u16()
}

/// Traces are dropped, requests are not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_class_is_served_while_the_trace_collector_is_away() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let database = crate::world::database().await;
    let config = format!(
        "{CONFIG}tracing: {{ otlp_endpoint: 'http://127.0.0.1:{}' }}\n",
        port::address().port()
    );
    let program = served(&database, &config).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for n in 0..3 {
        let token = program.signed_in().await;
        let product =
            json!({"sku": format!("S-{n}"), "name": "Chair", "price": "1", "currency": "EUR"});
        for (method, path, body, status) in [
            (Method::GET, "/products", None, 200),
            (Method::POST, "/products", Some(product), 201),
            (Method::GET, "/profile/export", None, 200),
            (Method::POST, "/auth/logout", Some(json!({})), 204),
        ] {
            let call = (method, path, body);
            let found = answered(&program, &client, &token, call).await;
            assert_eq!(found, status, "{path}");
        }
    }
}
