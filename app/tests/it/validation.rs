//! What no operation knows is refused by each of them, with its place (R2.1, R2.3, P3).

use http::Method;
use serde_json::{Map, Value, json};

use crate::world::{ADMIN, Answer, World, call_with};

struct Operation {
    method: Method,
    path: String,
    /// The schema of the body, if it takes one.
    body: Option<Value>,
    query: Vec<String>,
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => {
            &document["components"]["schemas"][reference.rsplit('/').next().unwrap()]
        }
        None => schema,
    }
}

fn operations(document: &Value) -> Vec<Operation> {
    let all = crate::openapi::operations().into_iter();
    all.filter(|(_, path, _)| path.starts_with("/api/"))
        .map(|(method, path, operation)| {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            Operation {
                body: schema
                    .is_object()
                    .then(|| resolved(document, schema).clone()),
                query: parameters
                    .filter(|parameter| parameter["in"] == "query")
                    .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
                    .collect(),
                method,
                path,
            }
        })
        .collect()
}

/// A value of the right type: what else is wrong with it is looked at later than its shape.
fn sample(document: &Value, schema: &Value) -> Value {
    let schema = resolved(document, schema);
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds[0].as_str(),
        kind => kind.as_str(),
    };
    match (kind, schema["format"].as_str()) {
        (Some("string"), Some("uuid")) => json!(uuid::Uuid::now_v7()),
        (Some("string"), Some("date-time")) => json!("2030-01-01T00:00:00Z"),
        (Some("string"), _) => json!("text"),
        (Some("integer" | "number"), _) => schema.get("minimum").cloned().unwrap_or(json!(1)),
        (Some("boolean"), _) => json!(true),
        (Some("array"), _) => json!([]),
        other => panic!("no sample for {other:?}: {schema}"),
    }
}

fn body(document: &Value, schema: &Value) -> Map<String, Value> {
    let properties = schema["properties"].as_object().unwrap();
    properties
        .iter()
        .map(|(name, schema)| (name.clone(), sample(document, schema)))
        .collect()
}

struct Tried {
    world: World,
    token: String,
}

impl Tried {
    async fn new() -> Self {
        let world = World::new().await;
        let token = world.admin().await;
        Self { world, token }
    }

    async fn call(&self, operation: &Operation, query: &str, body: Option<&Value>) -> Answer {
        let path = format!("{}{query}", operation.path);
        let any = [("if-match", "*")];
        call_with(
            &self.world.router,
            (operation.method.clone(), &path),
            &self.token,
            &any,
            body,
        )
        .await
    }
}

/// Asserts that `answer` names exactly this fault among its errors.
fn names(answer: &Answer, pointer: &str, code: &str, place: &str) {
    assert_eq!(
        (answer.status.as_u16(), &*answer.code()),
        (400, "VALIDATION_ERROR"),
        "{place}: {}",
        answer.text
    );
    let problem = answer.json();
    let errors = problem["errors"].as_array().unwrap();
    let found = errors
        .iter()
        .any(|error| error["pointer"] == pointer && error["code"] == code);
    assert!(found, "{place}: {pointer} {code} is not among {errors:?}");
}

/// r02_1: before anything is looked up or done.
#[tokio::test]
async fn p03_every_operation_refuses_a_parameter_that_it_does_not_know() {
    let tried = Tried::new().await;
    let document = serde_json::to_value(erpgo::router::document()).unwrap();
    let operations = operations(&document);
    assert!(operations.len() >= 20);
    for operation in &operations {
        let place = format!("{} {}", operation.method, operation.path);
        let sent = operation
            .body
            .as_ref()
            .map(|schema| Value::Object(body(&document, schema)));
        let answer = tried.call(operation, "?surprise=1", sent.as_ref()).await;
        names(&answer, "#/query/surprise", "unknown_parameter", &place);
        for name in &operation.query {
            let answer = tried
                .call(operation, &format!("?{name}=1&{name}=1"), None)
                .await;
            names(&answer, &format!("#/query/{name}"), "duplicate", &place);
        }
    }
}

/// r02_1: each body is held against its schema.
#[tokio::test]
async fn p03_every_body_refuses_unknown_missing_and_mistyped_fields_by_pointer() {
    let tried = Tried::new().await;
    let document = serde_json::to_value(erpgo::router::document()).unwrap();
    let mut bodies = 0;
    for operation in operations(&document) {
        let Some(schema) = &operation.body else {
            continue;
        };
        bodies += 1;
        let place = format!("{} {}", operation.method, operation.path);
        assert_eq!(
            schema["additionalProperties"], false,
            "{place} does not say that it refuses unknown fields"
        );
        let good = body(&document, schema);

        let mut more = good.clone();
        more.insert("surprise".into(), json!(1));
        let answer = tried.call(&operation, "", Some(&more.into())).await;
        names(&answer, "#/surprise", "unknown_field", &place);

        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap();
            let mut fewer = good.clone();
            fewer.remove(name);
            let answer = tried.call(&operation, "", Some(&fewer.into())).await;
            names(&answer, &format!("#/{name}"), "required", &place);
        }
        for name in good.keys() {
            let mut other = good.clone();
            other.insert(name.clone(), json!({"an": "object"}));
            let answer = tried.call(&operation, "", Some(&other.into())).await;
            names(&answer, &format!("#/{name}"), "invalid_type", &place);
        }
        let list = Value::from(good.values().cloned().collect::<Vec<_>>());
        names(
            &tried.call(&operation, "", Some(&list)).await,
            "#",
            "invalid_type",
            &place,
        );
    }
    assert!(bodies >= 8, "{bodies}");
    // None of it has changed anything.
    tried
        .world
        .login(ADMIN, crate::world::PASSWORD)
        .await
        .expect(200);
}

/// Text that means something elsewhere is text here, wherever it is kept (R2.4).
#[tokio::test]
async fn r02_4_special_characters_are_kept_as_they_are_or_refused() {
    let tried = Tried::new().await;
    for text in [
        "'; DROP TABLE products; --",
        "<script>alert(1)</script>",
        "%00 \\ \" ` ${x} {{x}}",
        "Ünïcödé 漢字 🦀",
        "$(reboot) | & > /etc/passwd",
        "../../etc/passwd",
    ] {
        let sku = format!("S-{}", uuid::Uuid::new_v4().simple());
        let sent =
            json!({"sku": sku, "name": text, "description": text, "price": "1", "currency": "EUR"});
        let made = tried
            .world
            .post("/api/v1/products", &tried.token, sent)
            .await
            .expect(201);
        let path = made.headers["location"].to_str().unwrap();
        let read = tried.world.get(path, &tried.token).await.expect(200).json();
        assert_eq!(
            (&read["name"], &read["description"]),
            (&json!(text), &json!(text))
        );
    }
    for text in ["\u{0}", "a\u{0}b", "\u{1b}[31m", "line\nbreak", "\u{7f}"] {
        let sent = json!({"sku": "S", "name": text, "price": "1", "currency": "EUR"});
        let answer = tried
            .world
            .post("/api/v1/products", &tried.token, sent)
            .await;
        names(&answer, "#/name", "invalid_value", text);
    }
}
