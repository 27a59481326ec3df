//! Holds the answers of an API against its OpenAPI document.
//!
//! An answer is at fault when its status, its error code, its media type or any field of its body is not
//! what the document says of the operation, or when a header is missing that the document names. What the
//! document does not describe has to be refused by a whole problem.
//!
//! Owns what an operation says of its answers; `schema` what a schema says of a value. Nothing here sends
//! anything, and what becomes of a fault is for each test to say.

mod schema;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value};

/// Where all that the document promises lies.
const API: &str = "/api/v1/";

const PROBLEM: &str = "application/problem+json";

/// What an API says of itself.
pub struct Document(Value);

/// A whole answer.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub text: &'a str,
}

impl Document {
    /// The document as JSON.
    #[must_use]
    pub fn new(document: Value) -> Self {
        Self(document)
    }

    /// Holds the answer to `method` at `path`, which is without its query, against the document.
    ///
    /// # Errors
    /// When the answer is not what the document says: where, and what is wrong.
    pub fn check(&self, method: &Method, path: &str, answer: Answer<'_>) -> Result<(), String> {
        let fault = self.judged(method, path, answer);
        fault.map_err(|fault| {
            format!(
                "{method} {path} answers {} against its document: {fault}\n{}",
                answer.status, answer.text
            )
        })
    }

    /// Whether `value` is what `schema` says, field by field; references lead into the document.
    ///
    /// # Errors
    /// When it is not: where, and what is wrong.
    pub fn fits(&self, schema: &Value, value: &Value) -> Result<(), String> {
        schema::fits(&self.0, schema, value, "#")
    }

    fn judged(&self, method: &Method, path: &str, answer: Answer<'_>) -> Result<(), String> {
        let item = self.item(path);
        if *method == Method::OPTIONS {
            // No operation: whatever lies at the path, it is for browsers, which read its headers alone.
            let is_for_browsers = answer.status.is_success() && answer.text.is_empty();
            return match is_for_browsers || item.is_none() && !path.starts_with(API) {
                true => Ok(()),
                false => self.is_problem(answer),
            };
        }
        let Some(item) = item else {
            return self.elsewhere(method, path, answer);
        };
        // One without a body of its own is the other with its body left out (RFC 9110 §9.3.2).
        let is_bare = *method == Method::HEAD;
        let name = if is_bare { "get" } else { method.as_str() };
        let Some(operation) = item.get(name.to_lowercase()) else {
            let is_refused = answer.status == StatusCode::METHOD_NOT_ALLOWED;
            unless(is_refused, "the method is not documented")?;
            return self.refuses(is_bare, answer);
        };
        self.conforms(operation, is_bare, answer)
    }

    /// The item of the most literal path that matches.
    fn item(&self, path: &str) -> Option<&Value> {
        let parts: Vec<_> = path.split('/').collect();
        let matches = |template: &str| {
            let template: Vec<_> = template.split('/').collect();
            template.len() == parts.len()
                && template
                    .iter()
                    .zip(&parts)
                    .all(|(t, p)| t == p || t.starts_with('{') && !p.is_empty())
        };
        let paths = self.0["paths"].as_object()?;
        let found = paths.iter().filter(|(template, _)| matches(template));
        found
            .min_by_key(|(template, _)| template.matches('{').count())
            .map(|(_, item)| item)
    }

    /// Where there is nothing documented, nothing of the API may be.
    fn elsewhere(&self, method: &Method, path: &str, answer: Answer<'_>) -> Result<(), String> {
        if !path.starts_with(API) {
            return Ok(());
        }
        // What fails there was let in; what is turned away before its route is looked for was not.
        let (status, away) = (answer.status, StatusCode::SERVICE_UNAVAILABLE);
        let is_refused = status.is_client_error() || status == away;
        unless(is_refused, "the path is not in the document")?;
        self.refuses(*method == Method::HEAD, answer)
    }

    fn refuses(&self, is_bare: bool, answer: Answer<'_>) -> Result<(), String> {
        match is_bare {
            true => is_empty(answer),
            false => self.is_problem(answer),
        }
    }

    fn is_problem(&self, answer: Answer<'_>) -> Result<(), String> {
        let is_one = kind(answer).is_some_and(|kind| essence(kind) == PROBLEM);
        unless(is_one, "what is not documented is refused by no problem")?;
        let problem = &self.0["components"]["schemas"]["Problem"];
        self.fits(problem, &json(answer.text)?)
    }

    fn conforms(&self, operation: &Value, is_bare: bool, answer: Answer<'_>) -> Result<(), String> {
        let response = operation["responses"].get(answer.status.as_str());
        let response = response.ok_or("the status is not documented")?;
        has_headers(response, answer)?;
        let contents = response.get("content").and_then(Value::as_object);
        let Some(contents) = contents.filter(|contents| !contents.is_empty()) else {
            return is_empty(answer);
        };
        let kind = kind(answer).ok_or("there is no content-type")?;
        let content = content(contents, kind)?;
        if is_bare {
            return is_empty(answer);
        }
        self.has_content(response, (kind, content), answer.text)
    }

    fn has_content(
        &self,
        response: &Value,
        (kind, content): (&str, &Value),
        text: &str,
    ) -> Result<(), String> {
        let schema = &content["schema"];
        if kind.starts_with("application/x-ndjson") {
            // One document a line.
            return text
                .lines()
                .try_for_each(|line| self.fits(schema, &json(line)?));
        }
        if !kind.contains("json") {
            return Ok(());
        }
        let body = json(text)?;
        if essence(kind) == PROBLEM {
            has_code(response, &body)?;
        }
        self.fits(schema, &body)
    }
}

/// The code of a problem is among those that its status is documented with.
fn has_code(response: &Value, problem: &Value) -> Result<(), String> {
    let code = format!("`{}`", problem["code"].as_str().unwrap_or_default());
    let documented = response["description"].as_str().unwrap_or_default();
    match documented.contains(&code) {
        true => Ok(()),
        false => Err(format!("{code} is not documented, only {documented}")),
    }
}

/// Each header that the document names is there, but for the one that only a repeat carries.
fn has_headers(response: &Value, answer: Answer<'_>) -> Result<(), String> {
    let named = response["headers"].as_object().into_iter().flatten();
    let mut always = named.filter(|(name, _)| *name != "idempotency-replayed");
    let absent = |name: &str| answer.headers.get(name).is_none_or(HeaderValue::is_empty);
    match always.find(|(name, _)| absent(name)) {
        None => Ok(()),
        Some((name, _)) => Err(format!("{name} is documented and is not sent")),
    }
}

fn kind(answer: Answer<'_>) -> Option<&str> {
    let kind = answer.headers.get(header::CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
}

/// A media type without its parameters.
fn essence(kind: &str) -> &str {
    kind.split(';').next().unwrap_or_default().trim_end()
}

/// What is said of this media type, without its parameters.
fn content<'a>(contents: &'a Map<String, Value>, kind: &str) -> Result<&'a Value, String> {
    let content = contents.get(essence(kind));
    content.ok_or_else(|| format!("{kind} is not documented"))
}

fn is_empty(answer: Answer<'_>) -> Result<(), String> {
    unless(answer.text.is_empty(), "a body is not documented")
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn unless(good: bool, fault: &str) -> Result<(), String> {
    match good {
        true => Ok(()),
        false => Err(fault.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Document {
        let problem = json!({"description": "`GONE`", "content": {PROBLEM: {"schema":
            {"$ref": "#/components/schemas/Problem"}}}});
        Document::new(json!({
            "paths": {
                "/api/v1/things": {"get": {"responses": {
                    "200": {"description": "All", "content": {"application/json": {"schema":
                        {"type": "array", "items": {"type": "integer"}}}}},
                    "410": problem}}},
                "/api/v1/things/{id}": {
                    "get": {"responses": {"204": {"description": "One", "headers": {"etag": {}}}}},
                    "post": {"responses": {"200": {"description": "One a line", "content":
                        {"application/x-ndjson": {"schema": {"type": "integer"}}}}}}},
            },
            "components": {"schemas": {"Problem": {"type": "object", "required": ["code"],
                "properties": {"code": {"type": "string"}}}}},
        }))
    }

    /// The fault of an answer with this media type, if there is a fault.
    fn fault(
        (method, path): (&str, &str),
        (status, kind, text): (u16, &'static str, &str),
    ) -> String {
        let mut headers = HeaderMap::new();
        if !kind.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &headers,
            text,
        };
        let method = method.parse::<Method>().unwrap();
        let checked = document().check(&method, path, answer);
        checked.err().unwrap_or_default()
    }

    const JSON: &str = "application/json";
    const WITH_CHARSET: &str = "application/problem+json; charset=utf-8";
    const THINGS: (&str, &str) = ("GET", "/api/v1/things");
    const ONE: (&str, &str) = ("GET", "/api/v1/things/1");
    const LINES: (&str, &str) = ("POST", "/api/v1/things/1");
    const HEAD: (&str, &str) = ("HEAD", "/api/v1/things");
    const OPTIONS: (&str, &str) = ("OPTIONS", "/api/v1/things");
    const NOWHERE: (&str, &str) = ("GET", "/api/v1/nowhere");

    #[test]
    fn what_the_document_says_is_no_fault() {
        let gone = r#"{"code": "GONE"}"#;
        for (asked, answer) in [
            (THINGS, (200, JSON, "[1]")),
            (THINGS, (200, "application/json; charset=utf-8", "[]")),
            (THINGS, (410, PROBLEM, gone)),
            (THINGS, (410, WITH_CHARSET, gone)),
            (LINES, (200, "application/x-ndjson", "1\n2\n")),
            (HEAD, (200, JSON, "")),
            (HEAD, (410, PROBLEM, "")),
            (OPTIONS, (200, "", "")),
            (OPTIONS, (410, PROBLEM, gone)),
            (NOWHERE, (404, PROBLEM, gone)),
            (NOWHERE, (404, WITH_CHARSET, gone)),
            (NOWHERE, (503, PROBLEM, gone)),
            (("DELETE", "/api/v1/things"), (405, PROBLEM, gone)),
            (("GET", "/elsewhere"), (200, "text/html", "<p>")),
        ] {
            assert_eq!(fault(asked, answer), "", "{asked:?} {answer:?}");
        }
    }

    #[test]
    fn what_the_document_does_not_say_is_a_fault() {
        let other = r#"{"code": "OTHER"}"#;
        for (asked, answer, expected) in [
            (THINGS, (418, JSON, "[]"), "the status is not documented"),
            (THINGS, (200, JSON, "[\"x\"]"), "#/0 is no integer"),
            (THINGS, (200, JSON, "["), "EOF"),
            (THINGS, (200, "text/plain", "[]"), "text/plain is not"),
            (THINGS, (200, "", "[]"), "there is no content-type"),
            (THINGS, (410, PROBLEM, other), "`OTHER` is not documented"),
            (
                THINGS,
                (410, WITH_CHARSET, other),
                "`OTHER` is not documented",
            ),
            (ONE, (204, "", ""), "etag is documented and is not sent"),
            (LINES, (200, "application/x-ndjson", "1\n\"2\"\n"), "is no"),
            (HEAD, (200, JSON, "[1]"), "a body is not documented"),
            (HEAD, (418, JSON, ""), "the status is not documented"),
            (HEAD, (200, "text/plain", ""), "text/plain is not"),
            (OPTIONS, (200, JSON, "[1]"), "by no problem"),
            (
                NOWHERE,
                (200, JSON, "[]"),
                "the path is not in the document",
            ),
            (
                NOWHERE,
                (500, PROBLEM, r#"{"code": "GONE"}"#),
                "the path is not in the document",
            ),
            (NOWHERE, (404, "", ""), "by no problem"),
            (NOWHERE, (404, PROBLEM, "{}"), "has no code"),
        ] {
            let found = fault(asked, answer);
            assert!(found.contains(expected), "{asked:?} {answer:?}: {found}");
        }
        let by = |method, status| fault((method, "/api/v1/things"), (status, PROBLEM, other));
        assert!(by("PUT", 404).contains("the method is not documented"));
    }

    #[test]
    fn the_most_literal_path_is_meant() {
        let document = Document::new(json!({"paths": {"/a/{x}": 1, "/a/b": 2, "/{y}/{x}": 3}}));
        for (path, item) in [("/a/b", 2), ("/a/c", 1), ("/c/b", 3)] {
            assert_eq!(document.item(path), Some(&json!(item)), "{path}");
        }
        for path in ["/a", "/a/", "/a/b/c"] {
            assert_eq!(document.item(path), None, "{path}");
        }
    }
}
