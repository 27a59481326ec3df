//! Holds every answer of the whole suite against the OpenAPI document.
//!
//! An answer is at fault when its status, its error code, its media type or any field of its body is not
//! what the document says of the operation, or when a header is missing that the document names. The
//! schemas are read strictly: a field that is not listed is a fault, and so is a keyword that this reader
//! does not know.

use std::sync::LazyLock;

use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value};

use crate::world::Answer;

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(erpgo::router::document()).unwrap());

/// Ends the test when `answer` is not what the document says.
pub fn check(method: &Method, path: &str, answer: &Answer) {
    if *method == Method::OPTIONS || *method == Method::HEAD {
        return;
    }
    let Some(item) = item(path) else {
        assert!(
            !path.starts_with("/api/v1/") || answer.status.as_u16() >= 400,
            "{method} {path} is not in the document and answers {}",
            answer.status
        );
        return;
    };
    let name = method.as_str().to_lowercase();
    let Some(operation) = item.get(&name) else {
        assert_eq!(
            answer.status,
            StatusCode::METHOD_NOT_ALLOWED,
            "{method} {path}"
        );
        return;
    };
    if let Err(fault) = conforms(operation, answer) {
        panic!(
            "{method} {path} answers {} against its document: {fault}\n{}",
            answer.status, answer.text
        );
    }
}

/// The item of the most literal path that matches.
fn item(path: &str) -> Option<&'static Value> {
    let parts: Vec<_> = path.split('/').collect();
    let matches = |template: &str| {
        let template: Vec<_> = template.split('/').collect();
        template.len() == parts.len()
            && template
                .iter()
                .zip(&parts)
                .all(|(t, p)| t == p || t.starts_with('{') && !p.is_empty())
    };
    let paths = DOCUMENT["paths"].as_object()?;
    let found = paths.iter().filter(|(template, _)| matches(template));
    found
        .min_by_key(|(template, _)| template.matches('{').count())
        .map(|(_, item)| item)
}

fn conforms(operation: &Value, answer: &Answer) -> Result<(), String> {
    let response = operation["responses"]
        .get(answer.status.as_str())
        .ok_or("the status is not documented")?;
    has_headers(response, answer)?;
    let contents = response.get("content").and_then(Value::as_object);
    let Some(contents) = contents.filter(|contents| !contents.is_empty()) else {
        return match answer.text.is_empty() {
            true => Ok(()),
            false => Err("a body is not documented".into()),
        };
    };
    let kind = answer
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.ok_or("there is no content-type")?;
    let content = contents.get(kind.split(';').next().unwrap_or_default());
    let content = content.ok_or_else(|| format!("{kind} is not documented"))?;
    if !kind.contains("json") {
        return Ok(());
    }
    if kind.starts_with("application/x-ndjson") {
        // One document a line.
        return answer.text.lines().try_for_each(|line| {
            let line: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
            fits(&content["schema"], &line, "#")
        });
    }
    let body: Value = serde_json::from_str(&answer.text).map_err(|error| error.to_string())?;
    if kind == "application/problem+json" {
        let code = format!("`{}`", body["code"].as_str().unwrap_or_default());
        let documented = response["description"].as_str().unwrap_or_default();
        if !documented.contains(&code) {
            return Err(format!("{code} is not documented, only {documented}"));
        }
    }
    fits(&content["schema"], &body, "#")
}

/// Each header that the document names is there, but for the one that only a repeat carries.
fn has_headers(response: &Value, answer: &Answer) -> Result<(), String> {
    let named = response["headers"].as_object().into_iter().flatten();
    let mut always = named.filter(|(name, _)| *name != "idempotency-replayed");
    let absent = |name: &str| answer.headers.get(name).is_none_or(HeaderValue::is_empty);
    match always.find(|(name, _)| absent(name)) {
        None => Ok(()),
        Some((name, _)) => Err(format!("{name} is documented and is not sent")),
    }
}

/// Whether `value` is what `schema` says, field by field.
pub fn fits(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let mut listed = Vec::new();
    let object = parts(schema, value, at, &mut listed)?;
    let (Some(fields), true) = (value.as_object(), object) else {
        return Ok(());
    };
    match fields.keys().find(|name| !listed.contains(name)) {
        None => Ok(()),
        Some(name) => Err(format!("{at}/{name} is not documented")),
    }
}

/// Checks `schema` without asking for unlisted fields, which parts of an `allOf` leave to each other;
/// true when the fields are all listed in `listed`.
fn parts(
    schema: &Value,
    value: &Value,
    at: &str,
    listed: &mut Vec<String>,
) -> Result<bool, String> {
    let schema = resolved(schema);
    let mut closed = false;
    for (keyword, rule) in &schema {
        match keyword.as_str() {
            "type" => of_type(rule, value, at)?,
            "enum" => unless(
                rule.as_array().is_some_and(|all| all.contains(value)),
                at,
                "is not in the enum",
            )?,
            "const" => unless(rule == value, at, "is not the constant")?,
            "format" => of_format(rule, value, at)?,
            "minimum" => unless(
                value.as_f64() >= rule.as_f64() || !value.is_number(),
                at,
                "is too small",
            )?,
            "maximum" => unless(
                value.as_f64() <= rule.as_f64() || !value.is_number(),
                at,
                "is too large",
            )?,
            "minLength" => unless(
                length(value).is_none_or(|n| n >= rule.as_u64().unwrap_or(0)),
                at,
                "is too short",
            )?,
            "maxLength" => unless(
                length(value).is_none_or(|n| n <= rule.as_u64().unwrap_or(0)),
                at,
                "is too long",
            )?,
            "minItems" => unless(
                items(value).is_none_or(|n| n >= rule.as_u64().unwrap_or(0)),
                at,
                "has too few items",
            )?,
            "maxItems" => unless(
                items(value).is_none_or(|n| n <= rule.as_u64().unwrap_or(0)),
                at,
                "has too many items",
            )?,
            "required" => {
                for name in rule
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                {
                    unless(
                        !value.is_object() || value.get(name).is_some(),
                        at,
                        &format!("has no {name}"),
                    )?;
                }
            }
            "properties" => {
                closed = true;
                for (name, rule) in rule.as_object().into_iter().flatten() {
                    listed.push(name.clone());
                    if let Some(value) = value.get(name) {
                        fits(rule, value, &format!("{at}/{name}"))?;
                    }
                }
            }
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    fits(rule, value, &format!("{at}/{index}"))?;
                }
            }
            "additionalProperties" if rule.is_object() => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    listed.push(name.clone());
                    fits(rule, value, &format!("{at}/{name}"))?;
                }
            }
            "allOf" => {
                for rule in rule.as_array().into_iter().flatten() {
                    closed |= parts(rule, value, at, listed)?;
                }
            }
            "oneOf" | "anyOf" => {
                let all = rule.as_array().into_iter().flatten();
                let fitting = all.filter(|rule| fits(rule, value, at).is_ok()).count();
                let one = keyword == "oneOf";
                unless(
                    fitting == 1 || !one && fitting > 1,
                    at,
                    "fits none of the alternatives, or several",
                )?;
            }
            // Free of rules for an answer, or held by its example alone.
            "description"
            | "example"
            | "examples"
            | "default"
            | "title"
            | "deprecated"
            | "pattern"
            | "additionalProperties"
            | "propertyNames"
            | "readOnly"
            | "writeOnly"
            | "contentMediaType"
            | "contentEncoding"
            | "uniqueItems" => {}
            other => return Err(format!("{at}: the keyword {other} is not understood here")),
        }
    }
    Ok(closed)
}

fn resolved(schema: &Value) -> Map<String, Value> {
    match schema.get("$ref").and_then(Value::as_str) {
        None => schema.as_object().cloned().unwrap_or_default(),
        Some(reference) => {
            let name = reference.rsplit('/').next().unwrap_or_default();
            let target = &DOCUMENT["components"]["schemas"][name];
            assert!(target.is_object(), "{reference} leads nowhere");
            target.as_object().cloned().unwrap_or_default()
        }
    }
}

fn unless(good: bool, at: &str, fault: &str) -> Result<(), String> {
    if good {
        Ok(())
    } else {
        Err(format!("{at} {fault}"))
    }
}

fn length(value: &Value) -> Option<u64> {
    value.as_str().map(|text| text.chars().count() as u64)
}

fn items(value: &Value) -> Option<u64> {
    value.as_array().map(|items| items.len() as u64)
}

fn of_type(rule: &Value, value: &Value, at: &str) -> Result<(), String> {
    let is = |kind: &str| match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    let kinds: Vec<_> = match rule {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    unless(
        kinds.iter().any(|kind| is(kind)),
        at,
        &format!("is no {}", kinds.join(" and no ")),
    )
}

fn of_format(rule: &Value, value: &Value, at: &str) -> Result<(), String> {
    let Some(text) = value.as_str() else {
        return Ok(());
    };
    let good = match rule.as_str().unwrap_or_default() {
        "uuid" => text.parse::<uuid::Uuid>().is_ok(),
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        _ => true,
    };
    unless(good, at, &format!("is no {rule}"))
}

mod tests {
    use super::{Answer, check, fits};
    use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
    use serde_json::{Value, json};

    fn refused(schema: Value, value: Value) -> String {
        fits(&schema, &value, "#").unwrap_err()
    }

    #[test]
    fn r13_2_what_the_document_does_not_say_is_a_fault() {
        let schema = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": "integer", "minimum": 1}, "b": {"type": ["string", "null"], "format": "uuid"}}});
        assert!(fits(&schema, &json!({"a": 1, "b": null}), "#").is_ok());
        for (value, fault) in [
            (json!({}), "has no a"),
            (json!({"a": "1"}), "#/a is no integer"),
            (json!({"a": 0}), "#/a is too small"),
            (json!({"a": 1, "b": "x"}), "#/b is no"),
            (json!({"a": 1, "c": 1}), "#/c is not documented"),
            (json!([]), "is no object"),
        ] {
            let found = refused(schema.clone(), value);
            assert!(found.contains(fault), "{found}");
        }
        assert!(refused(json!({"typ": "x"}), json!(1)).contains("not understood"));
    }

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
