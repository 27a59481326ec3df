//! What is asked of the routes, and what they answer.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Whether it is the answer to an earlier request, given once more.
    pub fn is_replayed(&self) -> bool {
        let replayed = self.headers.get("idempotency-replayed");
        replayed.is_some_and(|value| value == "true")
    }

    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status.as_u16(), &*self.code()),
            (status, code),
            "{}",
            self.text
        );
    }
}

pub fn access(answer: &Value) -> String {
    answer["access_token"].as_str().unwrap().to_owned()
}

pub fn refresh_token(answer: &Value) -> String {
    answer["refresh_token"].as_str().unwrap().to_owned()
}

pub async fn call(
    router: &Router,
    method: Method,
    path: &str,
    token: &str,
    body: Option<Value>,
) -> Answer {
    call_with(router, (method, path), token, &[], body.as_ref()).await
}

/// As [`call`], with headers.
pub async fn call_with(
    router: &Router,
    (method, path): (Method, &str),
    token: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = match body {
        Some(body) => {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Body::from(body.to_string())
        }
        None => Body::empty(),
    };
    send(router, request.body(body).unwrap()).await
}

pub async fn send(router: &Router, request: Request<Body>) -> Answer {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let begun = begun(router, request).await;
    whole((&method, &path), begun).await.0
}

/// The head of what `request` is answered, and the body, of which nothing was read yet.
pub async fn begun(router: &Router, mut request: Request<Body>) -> (Parts, Body) {
    let peer: SocketAddr = ([127, 0, 0, 1], 40_000).into();
    if request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .is_none()
    {
        request.extensions_mut().insert(ConnectInfo(peer));
    }
    let response = router.clone().oneshot(request).await.unwrap();
    response.into_parts()
}

/// All of an answer that has [`begun`], held against the document; its body once more, as it came.
pub async fn whole(
    (method, path): (&Method, &str),
    (head, body): (Parts, Body),
) -> (Answer, Bytes) {
    let bytes = body.collect().await.unwrap().to_bytes();
    let answer = Answer {
        status: head.status,
        headers: head.headers,
        text: String::from_utf8_lossy(&bytes).into_owned(),
    };
    crate::conform::check(method, path, &answer);
    (answer, bytes)
}
