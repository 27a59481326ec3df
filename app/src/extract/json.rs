//! A JSON body of a known shape.
//!
//! Owns [`ApiJson`]. It refuses another media type or a packed body (415), a body over the limit (413),
//! text that is not JSON (400 INVALID_JSON) and a shape that differs (400 VALIDATION_ERROR with the pointer).
//! What it says of a value is the rule it breaks, never the value (a password could be one).

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::response::IntoResponse as _;
use bytes::BytesMut;
use http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use crate::error::{Code, Error, FieldError};

/// The body, parsed.
#[derive(Clone, Debug)]
pub struct ApiJson<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ApiJson<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        if !is_json(&request) {
            return Err(Error::refused(
                Code::UnsupportedMediaType,
                "send the body with content-type: application/json",
            ));
        }
        if is_coded(&request) {
            return Err(Error::refused(
                Code::UnsupportedMediaType,
                "send the body as it is, without content-encoding",
            ));
        }
        // Copied as it comes in. Kept as it was read, each piece would keep the whole buffer around it: a
        // body that is sent byte by byte would take thousands of times its size.
        let body = BytesMut::from_request(request, state)
            .await
            .map_err(unread)?;
        parse(&body).map(Self)
    }
}

fn is_json(request: &Request) -> bool {
    let Some(value) = request.headers().get(header::CONTENT_TYPE) else {
        return false;
    };
    let essence = value.to_str().unwrap_or_default().split(';').next();
    let essence = essence.unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || essence.starts_with("application/") && essence.ends_with("+json")
}

// Unpacked, a body could be a thousand times the limit.
fn is_coded(request: &Request) -> bool {
    let codings = request.headers().get_all(header::CONTENT_ENCODING);
    let mut codings = codings.iter();
    codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn unread(rejection: BytesRejection) -> Error {
    if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
        Error::refused(Code::PayloadTooLarge, "send a smaller body")
    } else {
        Error::refused(Code::InvalidJson, "the body ended before it was complete")
    }
}

/// Parses `body`.
///
/// # Errors
/// The refusal that names what is wrong.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    // serde also reads a struct from a list of its fields in order, which no client should rely on.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Error::invalid(vec![FieldError::new(
            "#",
            "invalid_type",
            "expected an object",
        )]));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| misshapen(error.path(), error.inner()))?;
    deserializer.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn misshapen(path: &Path, error: &serde_json::Error) -> Error {
    if !error.is_data() {
        return not_json(error);
    }
    let text = error.to_string();
    let (code, detail, key) = explain(&text);
    let mut pointer = pointer(path);
    // serde reports these at the object around the field.
    if let Some(key) = key.filter(|key| !pointer.ends_with(&format!("/{key}"))) {
        pointer = format!("{pointer}/{key}");
    }
    Error::invalid(vec![FieldError::new(pointer, code, detail)])
}

fn not_json(error: &serde_json::Error) -> Error {
    Error::refused(
        Code::InvalidJson,
        format!(
            "the body is not JSON at line {} column {}",
            error.line(),
            error.column()
        ),
    )
}

fn explain(text: &str) -> (&'static str, String, Option<String>) {
    let quoted = || text.split('`').nth(1).map(str::to_owned);
    if text.starts_with("unknown field") {
        return ("unknown_field", "this field is not known".into(), quoted());
    }
    if text.starts_with("missing field") {
        return ("required", "this field is required".into(), quoted());
    }
    if text.starts_with("duplicate field") {
        return ("duplicate", "this field is given twice".into(), quoted());
    }
    let expected = text
        .rsplit_once("expected ")
        .map(|(_, rest)| rest.split(" at line ").next().unwrap_or(rest));
    let detail = expected.map_or_else(
        || "the value is not of the right form".to_owned(),
        |expected| format!("expected {expected}"),
    );
    ("invalid_type", detail, None)
}

fn pointer(path: &Path) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("#");
    for segment in path {
        let _ = match segment {
            Segment::Seq { index } => write!(text, "/{index}"),
            Segment::Map { key } => write!(text, "/{}", escape(key)),
            Segment::Enum { variant } => write!(text, "/{}", escape(variant)),
            Segment::Unknown => Ok(()),
        };
    }
    text
}

// RFC 6901 §3.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        #[expect(dead_code, reason = "only its shape matters here")]
        quantity: u32,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[expect(dead_code, reason = "only its shape matters here")]
        lines: Vec<Line>,
    }

    fn fault(body: &str) -> (Code, Option<FieldError>) {
        match parse::<Order>(body.as_bytes()) {
            Err(Error::Refused(refusal)) => (refusal.code, refusal.fields.into_iter().next()),
            other => panic!("{body} gave {other:?}"),
        }
    }

    #[test]
    fn r02_3_each_fault_names_its_field() {
        let table = [
            (
                r#"{"lines":[{"quantity":"many"}]}"#,
                "#/lines/0/quantity",
                "invalid_type",
            ),
            (
                r#"{"lines":[{"quantity":-1}]}"#,
                "#/lines/0/quantity",
                "invalid_type",
            ),
            (r#"{"lines":[{}]}"#, "#/lines/0/quantity", "required"),
            (r#"{"lines":[],"x":1}"#, "#/x", "unknown_field"),
            (r#"{"lines":[],"lines":[]}"#, "#/lines", "duplicate"),
            (r#"{}"#, "#/lines", "required"),
            (r#"[1]"#, "#", "invalid_type"),
        ];
        for (body, pointer, code) in table {
            let (class, field) = fault(body);
            let field = field.unwrap();
            assert_eq!(
                (class, &*field.pointer, field.code),
                (Code::ValidationError, pointer, code),
                "{body}"
            );
        }
    }

    #[test]
    fn no_fault_quotes_the_value() {
        let (_, field) = fault(r#"{"lines":"hunter2"}"#);
        assert!(!format!("{field:?}").contains("hunter2"));
    }

    #[test]
    fn text_that_is_not_json_is_told_apart() {
        for body in ["", "{", "nope", "{\"lines\":[]} trailing"] {
            assert_eq!(fault(body).0, Code::InvalidJson, "{body}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn p03_any_bytes_are_parsed_or_refused_with_a_code(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Err(error) = parse::<Order>(&body) {
                prop_assert!(matches!(error.code(), Code::InvalidJson | Code::ValidationError));
            }
        }
    }
}
