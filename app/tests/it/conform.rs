//! Holds every answer of the whole suite against the OpenAPI document.
//!
//! Owns which document, and that a fault ends the test that meets it.

use std::sync::LazyLock;

use erpgo_test_kit::conform::{self, Document};
use http::Method;

use crate::world::Answer;

static DOCUMENT: LazyLock<Document> =
    LazyLock::new(|| Document::new(serde_json::to_value(erpgo::router::document()).unwrap()));

/// What `answer` is at fault with, by the document.
pub fn judged(method: &Method, path: &str, answer: &Answer) -> Result<(), String> {
    let answer = conform::Answer {
        status: answer.status,
        headers: &answer.headers,
        text: &answer.text,
    };
    DOCUMENT.check(method, path, answer)
}

/// Ends the test when `answer` is not what the document says.
pub fn check(method: &Method, path: &str, answer: &Answer) {
    judged(method, path, answer).unwrap_or_else(|fault| panic!("{fault}"));
}

mod tests {
    use super::{Answer, check};
    use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
    use serde_json::{Value, json};

    fn answer(status: u16, kind: &'static str, text: Value) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            text: text.to_string(),
        }
    }

    #[test]
    #[should_panic(expected = "the status is not documented")]
    fn r13_4_an_undocumented_status_fails_the_test_that_meets_it() {
        let teapot = answer(418, "application/json", json!({}));
        check(&Method::GET, "/api/v1/products", &teapot);
    }

    #[test]
    #[should_panic(expected = "#/nonsense is not documented")]
    fn r13_2_an_undocumented_field_fails_the_test_that_meets_it() {
        let known = json!({"status": "healthy", "version": "1", "nonsense": 1});
        let known = answer(200, "application/json", known);
        check(&Method::GET, "/health/live", &known);
    }

    #[test]
    #[should_panic(expected = "location is documented and is not sent")]
    fn r13_2_a_documented_header_that_is_missing_fails_the_test_that_meets_it() {
        let mut made = answer(201, "application/json", json!({}));
        made.headers
            .insert(header::ETAG, HeaderValue::from_static("\"1\""));
        check(&Method::POST, "/api/v1/products", &made);
    }

    #[test]
    #[should_panic(expected = "is not documented, only")]
    fn r13_4_an_undocumented_code_fails_the_test_that_meets_it() {
        let problem = json!({"type": "x", "title": "x", "status": 409, "detail": "x", "instance": "x",
            "code": "DUPLICATE_EMAIL", "request_id": "x", "trace_id": "x"});
        check(
            &Method::POST,
            "/api/v1/products",
            &answer(409, "application/problem+json", problem),
        );
    }
}
