//! A collector of traces that is away.

use erpgo_test_kit::port;
use http::Method;
use serde_json::{Value, json};

use crate::program::{Program, post, served};
use crate::tx::killed::CONFIG;
use crate::world::{ADMIN, Answer, PASSWORD, access};

const SIGN_IN: &str = "/api/v1/auth/login";

/// A request, and the status of its answer as ever.
type Request = (Method, &'static str, Option<Value>, u16);

/// Requests of each class by whoever has `signed_in`. That a code is made up has to be found out, too.
fn requests(signed_in: &Value) -> Vec<Request> {
    let read = |path| (Method::GET, path, None, 200);
    let write = |path, body, status| (Method::POST, path, Some(body), status);
    let sku = uuid::Uuid::new_v4().to_string();
    let product = json!({"sku": sku, "name": "Chair", "price": "1", "currency": "EUR"});
    let renewal = json!({"refresh_token": signed_in["refresh_token"]});
    let second = json!({"challenge_token": "made-up", "code": "000000"});
    let forgot = json!({"email": ADMIN});
    let reset = json!({"token": "made-up", "new_password": PASSWORD});
    vec![
        read("/api/v1/products"),
        write("/api/v1/products", product, 201),
        read("/api/v1/profile/export"),
        read("/api/docs/openapi.json"),
        write("/api/v1/auth/refresh", renewal, 200),
        write("/api/v1/auth/login/second-factor", second, 401),
        write("/api/v1/auth/forgot-password", forgot, 202),
        write("/api/v1/auth/reset-password", reset, 400),
        write("/api/v1/auth/logout", json!({}), 204),
    ]
}

/// The status of one request, whose answer is read to its end and held against the document.
async fn answered(
    program: &Program,
    client: &reqwest::Client,
    token: &str,
    (method, path, body): (Method, &str, Option<Value>),
) -> u16 {
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
    crate::conform::check(&method, path, &answer);
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
    let body = json!({"email": ADMIN, "password": PASSWORD});
    for _ in 0..3 {
        let signed_in = post(program.api, SIGN_IN, "", &body).await.unwrap();
        let signed_in = signed_in.expect(200).json();
        let token = access(&signed_in);
        for (method, path, body, status) in requests(&signed_in) {
            let call = (method, path, body);
            let found = answered(&program, &client, &token, call).await;
            assert_eq!(found, status, "{path}");
        }
    }
}
