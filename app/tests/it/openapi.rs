//! The document says what the routes do, and every route asks for what it says (R13).

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, header};
use serde_json::{Value, json};

use crate::errors::is_problem;
use crate::world::{ADMIN, Answer, PASSWORD, World, begun, whole};

/// Every operation of the document, with its path filled in.
pub fn operations() -> Vec<(Method, String, Value)> {
    let document = serde_json::to_value(erpgo::router::document()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else {
                continue;
            };
            if operation.get("responses").is_none() {
                continue;
            }
            let mut filled = path.clone();
            while let (Some(open), Some(close)) = (filled.find('{'), filled.find('}')) {
                filled.replace_range(open..=close, &uuid::Uuid::now_v7().to_string());
            }
            found.push((method, filled, operation.clone()));
        }
    }
    found
}

#[test]
fn r13_1_the_document_is_openapi_31() {
    let document = serde_json::to_value(erpgo::router::document()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(
        document["components"]["securitySchemes"]["bearer"]["scheme"],
        "bearer"
    );
}

#[test]
fn r13_2_every_route_of_the_first_form_is_there() {
    let document = serde_json::to_value(erpgo::router::document()).unwrap();
    let expected = [
        ("/api/v1/auth/login", "post"),
        ("/api/v1/auth/refresh", "post"),
        ("/api/v1/auth/logout", "post"),
        ("/api/v1/profile", "get"),
        ("/api/v1/profile", "put"),
        ("/api/v1/users", "get"),
        ("/api/v1/users", "post"),
        ("/api/v1/users/{id}", "get"),
        ("/api/v1/users/{id}", "put"),
        ("/api/v1/users/{id}", "delete"),
        ("/api/v1/roles", "get"),
        ("/api/v1/roles", "post"),
        ("/api/v1/roles/{id}", "get"),
        ("/api/v1/roles/{id}", "put"),
        ("/api/v1/roles/{id}", "delete"),
        ("/api/v1/roles/assign", "post"),
        ("/api/v1/roles/remove", "post"),
        ("/health/live", "get"),
        ("/health/ready", "get"),
        ("/health/startup", "get"),
    ];
    for (path, method) in expected {
        assert!(
            document["paths"][path][method].is_object(),
            "{method} {path}"
        );
    }
}

#[test]
fn r13_4_every_operation_documents_its_problems_and_every_code_is_in_the_schema() {
    for (method, path, operation) in operations() {
        if path.starts_with("/health") {
            continue;
        }
        let responses = operation["responses"].as_object().unwrap();
        let mut expected = vec!["405", "500", "503", "504"];
        if operation.get("security").is_some() {
            expected.extend(["401", "403"]);
        }
        if operation.get("requestBody").is_some() {
            expected.extend(["400", "413", "415"]);
        }
        for status in expected {
            let content = &responses[status]["content"]["application/problem+json"];
            assert_eq!(
                content["schema"]["$ref"], "#/components/schemas/Problem",
                "{method} {path} {status}"
            );
        }
    }
    let document = serde_json::to_value(erpgo::router::document()).unwrap();
    let listed = document["components"]["schemas"]["Code"].to_string();
    for code in erpgo::error::Code::ALL {
        assert!(listed.contains(code.as_str()), "{}", code.as_str());
    }
}

#[test]
fn r13_4_a_wrong_password_is_an_answer_only_where_one_is_asked_for() {
    let refuses_one = |(_, _, operation): &(Method, String, Value)| {
        let text = &operation["responses"]["401"]["description"];
        text.as_str()
            .is_some_and(|text| text.contains("INVALID_CREDENTIALS"))
    };
    let (with, without): (Vec<_>, Vec<_>) = operations().into_iter().partition(refuses_one);
    let names = |operations: &[(Method, String, Value)], id: &str| {
        let mut all = operations.iter();
        all.any(|(_, _, operation)| operation["operationId"] == id)
    };
    for id in ["login", "change_password", "erase_profile"] {
        assert!(names(&with, id), "{id}");
    }
    // Whoever erases another has the right to, or 403.
    assert!(names(&without, "erase_user"));
    let (_, _, erase) = without
        .iter()
        .find(|(_, _, operation)| operation["operationId"] == "erase_user")
        .unwrap();
    let forbidden = erase["responses"]["403"]["description"].as_str().unwrap();
    assert!(forbidden.contains("FORBIDDEN"), "{forbidden}");
}

/// Only these may be called by anybody; a new operation without a requirement must be entered here.
pub const PUBLIC: [&str; 6] = [
    "/api/v1/auth/login",
    "/api/v1/auth/login/second-factor",
    "/api/v1/auth/refresh",
    "/api/v1/auth/forgot-password",
    "/api/v1/auth/reset-password",
    "/api/v1/email/verify",
];

#[tokio::test]
async fn r13_3_every_operation_refuses_the_anonymous_and_the_unprivileged() {
    let world = World::new().await;
    let (_, nobody) = world.user("kim@example.org", &[]).await;
    let mut checked = 0;
    for (method, path, operation) in operations() {
        if path.starts_with("/health") || PUBLIC.contains(&&*path) {
            continue;
        }
        let scopes = operation["security"][0]["bearer"].as_array();
        let scopes = scopes.unwrap_or_else(|| panic!("{method} {path} names no permission"));
        let body = (method != Method::GET && method != Method::DELETE).then(|| json!({}));
        let anonymous = world.call(method.clone(), &path, "", body.clone()).await;
        anonymous.refused(401, "UNAUTHORIZED");
        is_problem(&anonymous);
        if let Some(scope) = scopes.first().and_then(Value::as_str) {
            let answer = world.call(method.clone(), &path, &nobody, body).await;
            answer.refused(403, "FORBIDDEN");
            assert!(
                answer.text.contains(scope),
                "{method} {path} asks for another permission: {}",
                answer.text
            );
        }
        checked += 1;
    }
    assert!(checked >= 15, "{checked}");
}

/// Whoever has not signed in is heard, and so is whoever still sends what was good once.
#[tokio::test]
async fn r13_3_what_anybody_may_call_asks_for_no_credential() {
    let world = World::new().await;
    let expired = crate::matrix::expired(&world).await;
    let mut checked = 0;
    for (method, path, _) in operations() {
        if !PUBLIC.contains(&&*path) {
            continue;
        }
        let call = async |token: &str| {
            let body = Some(json!({}));
            let answer = world.call(method.clone(), &path, token, body).await;
            (answer.status.as_u16(), answer.code())
        };
        let anonymous = call("").await;
        let asked_for = anonymous.0 == 403 || anonymous.1 == "UNAUTHORIZED";
        assert!(!asked_for, "{method} {path}: {anonymous:?}");
        assert_eq!(call(&expired).await, anonymous, "{method} {path}");
        checked += 1;
    }
    assert_eq!(checked, PUBLIC.len());
    let body = json!({"email": ADMIN, "password": PASSWORD});
    let signed_in = world.post("/api/v1/auth/login", &expired, body).await;
    signed_in.expect(200);
}

/// What is documented of a GET holds for a HEAD, too, but for the body (RFC 9110 §9.3.2).
#[tokio::test]
async fn r13_2_a_head_is_answered_as_its_get_and_without_a_body() {
    let world = World::new().await;
    let admin = world.admin().await;
    let mut checked = 0;
    for (method, path, _) in operations() {
        if method != Method::GET {
            continue;
        }
        for path in [path.clone(), format!("{path}?nonsense=1")] {
            let by = |method| world.call(method, &path, &admin, None);
            let (whole, bare) = (by(Method::GET).await, by(Method::HEAD).await);
            assert_eq!(bare.status, whole.status, "{path}: {}", whole.text);
            assert_eq!(bare.text, "", "{path}");
            let kind = |answer: &Answer| answer.headers.get(header::CONTENT_TYPE).cloned();
            assert_eq!(kind(&bare), kind(&whole), "{path}");
            checked += 1;
        }
    }
    assert!(checked >= 30, "{checked}");
}

/// The document has no such operation: what browsers ask before a request is answered by a layer, everywhere
/// in the same way.
#[tokio::test]
async fn r13_2_what_browsers_ask_beforehand_has_no_body_whatever_the_path() {
    let world = World::new().await;
    for (_, path, _) in operations() {
        let answer = world.call(Method::OPTIONS, &path, "", None).await;
        assert_eq!(answer.expect(200).text, "", "{path}");
    }
}

#[tokio::test]
async fn r13_5_the_page_works_without_the_internet() {
    let world = World::new().await;
    let page = world.get("/api/docs/", "").await.expect(200);
    assert!(
        page.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    for elsewhere in ["http:", "https:", "=\"//"] {
        assert!(!page.text.contains(elsewhere), "{}", page.text);
    }
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("connect-src 'self'"), "{policy}");
    for asset in [
        "swagger-ui-bundle.js",
        "swagger-ui.css",
        "swagger-initializer.js",
    ] {
        world
            .get(&format!("/api/docs/{asset}"), "")
            .await
            .expect(200);
    }
    let served = world.get(DOCUMENT, "").await.expect(200);
    assert_eq!(served.headers["content-type"], "application/json");
    assert_eq!(
        served.json(),
        serde_json::to_value(erpgo::router::document()).unwrap()
    );
}

const DOCUMENT: &str = "/api/docs/openapi.json";

/// The document as it leaves the program.
async fn served(world: &World) -> Bytes {
    let request = Request::get(DOCUMENT).body(Body::empty()).unwrap();
    let begun = begun(&world.router, request).await;
    let (answer, bytes) = whole((&Method::GET, DOCUMENT), begun).await;
    answer.expect(200);
    bytes
}

/// However many are slow to read it, it is in memory once.
#[tokio::test]
async fn all_who_read_the_document_share_it() {
    let world = World::new().await;
    let (one, other) = (served(&world).await, served(&world).await);
    assert!(one.len() > 10_000, "{}", one.len());
    assert_eq!(one.as_ptr(), other.as_ptr());
}

/// Whoever relies on a key that is ignored makes things twice.
#[test]
fn the_guide_names_what_takes_an_idempotency_key_and_nothing_else() {
    let guide = include_str!("../../../docs/guides/api.md");
    let (_, text) = guide.split_once("**At most once.**").unwrap();
    let (sentence, _) = text.split_once(". ").unwrap();
    let quoted = sentence.split('`').skip(1).step_by(2);
    let told: Vec<_> = quoted.filter(|text| text.contains(" /")).collect();
    let takes_one = |operation: &Value| {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let mut names = parameters.filter_map(|parameter| parameter["name"].as_str());
        names.any(|name| name == "idempotency-key")
    };
    let takers: Vec<_> = operations()
        .into_iter()
        .filter(|(_, _, operation)| takes_one(operation))
        .map(|(method, path, _)| format!("{method} {}", path.trim_start_matches("/api/v1")))
        .collect();
    assert_eq!(told, takers);
    assert!(!takers.is_empty());
}

/// The JSON that an operation takes and, where all is well, gives.
fn bodies(operation: &Value) -> impl Iterator<Item = &Value> {
    let answers = operation["responses"].as_object().into_iter().flatten();
    let good = answers.filter(|(status, _)| status.starts_with('2'));
    let all = good
        .map(|(_, answer)| answer)
        .chain([&operation["requestBody"]]);
    let contents = all.filter_map(|body| body["content"].as_object()).flatten();
    let json = contents.filter(|(kind, _)| kind.contains("json"));
    json.map(|(_, content)| &content["schema"])
}

/// The places below `schema` of which a reader is not shown what they look like: there is no example, no
/// list of values and no format that says it.
fn unexplained(document: &Value, schema: &Value, at: &str, found: &mut Vec<String>) {
    let says = ["example", "examples", "enum", "const", "default"];
    if says.iter().any(|keyword| schema.get(keyword).is_some()) {
        return;
    }
    let mut parts: Vec<(String, &Value)> = Vec::new();
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        parts.push((name.to_owned(), &document["components"]["schemas"][name]));
    }
    for (name, part) in schema["properties"].as_object().into_iter().flatten() {
        parts.push((format!("{at}.{name}"), part));
    }
    for keyword in ["allOf", "oneOf", "anyOf"] {
        let all = schema[keyword].as_array().into_iter().flatten();
        parts.extend(all.map(|part| (at.to_owned(), part)));
    }
    for keyword in ["items", "additionalProperties"] {
        let part = schema.get(keyword).filter(|part| part.is_object());
        parts.extend(part.map(|part| (at.to_owned(), part)));
    }
    let is = |keyword: &str, those: [&str; 2]| {
        let value = schema[keyword].as_str();
        value.is_some_and(|value| those.contains(&value))
    };
    let is_plain = is("format", ["uuid", "date-time"]) || is("type", ["boolean", "null"]);
    if parts.is_empty() && !is_plain {
        found.push(at.to_owned());
    }
    for (at, part) in parts {
        unexplained(document, part, &at, found);
    }
}

#[test]
fn r13_2_every_body_is_shown_by_an_example() {
    let document = serde_json::to_value(erpgo::router::document()).unwrap();
    let (mut found, mut seen) = (Vec::new(), 0);
    for (method, path, operation) in operations() {
        for schema in bodies(&operation) {
            assert!(
                schema.is_object(),
                "{method} {path} has a body without a schema"
            );
            unexplained(&document, schema, &format!("{method} {path}"), &mut found);
            seen += 1;
        }
    }
    assert!(seen >= 40, "{seen}");
    found.sort();
    found.dedup();
    assert!(found.is_empty(), "without an example: {found:#?}");
}

#[test]
fn a_body_without_an_example_is_found() {
    let document = json!({"components": {"schemas": {"Box": {"properties": {
        "name": {"type": "string"}, "kind": {"type": "string", "example": "x"}, "id": {"format": "uuid"}}}}}});
    let of = |schema: Value| {
        let mut found = Vec::new();
        unexplained(&document, &schema, "here", &mut found);
        found
    };
    let boxed = json!({"$ref": "#/components/schemas/Box"});
    assert_eq!(of(boxed.clone()), ["Box.name"]);
    assert_eq!(of(json!({"type": "array", "items": boxed})), ["Box.name"]);
    assert_eq!(
        of(json!({"oneOf": [{"type": "null"}, {"type": "integer"}]})),
        ["here"]
    );
    assert!(of(json!({"allOf": [{"type": "boolean"}]})).is_empty());
}
