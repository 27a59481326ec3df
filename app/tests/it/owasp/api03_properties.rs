//! API3: no property is written that is not the caller's to write, and none is read that nobody should.

use serde_json::json;

use super::properties;
use crate::openapi::operations;
use crate::world::World;

/// Columns that no answer may have.
const HIDDEN: [&str; 10] = [
    "password_hash",
    "pepper_kid",
    "auth_epoch",
    "key_hash",
    "token_hash",
    "code_hash",
    "sealed_secret",
    "last_step",
    "handle",
    "pepper",
];

#[test]
fn no_schema_of_an_answer_has_a_hidden_property() {
    let document = serde_json::to_value(erpgo::router::document()).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert!(schemas.len() > 20);
    for (name, schema) in schemas {
        for hidden in HIDDEN {
            assert!(
                !schema.to_string().contains(&format!("\"{hidden}\"")),
                "{name}: {hidden}"
            );
        }
    }
}

#[tokio::test]
async fn no_write_takes_a_property_that_is_not_the_callers() {
    let world = World::new().await;
    let admin = world.admin().await;
    let sly = json!({
        "id": uuid::Uuid::now_v7(), "is_admin": true, "is_system": true, "roles": ["admin"],
        "permissions": ["*"], "email_verified": true, "version": 99, "created_at": "2020-01-01T00:00:00Z",
        "user_id": uuid::Uuid::now_v7(), "password_hash": "x", "auth_epoch": 1, "last_used_at": null,
        "__proto__": {"is_admin": true}
    });
    let mut refused = 0;
    for (method, path, operation) in operations() {
        if operation.get("requestBody").is_none() || operation.get("security").is_none() {
            continue;
        }
        let known = properties(&operation);
        for (name, value) in sly.as_object().unwrap() {
            if known.contains_key(name) {
                continue;
            }
            let body = json!({ name: value });
            let answer = world.call(method.clone(), &path, &admin, Some(body)).await;
            // Either the property is named as unknown, or the path names nothing.
            if answer.status == 400 {
                assert!(
                    answer.text.contains("\"VALIDATION_ERROR\""),
                    "{}",
                    answer.text
                );
                refused += 1;
            } else {
                assert!(
                    [404, 409, 412, 428].contains(&answer.status.as_u16()),
                    "{method} {path} {name}: {}",
                    answer.text
                );
            }
        }
    }
    assert!(refused > 50, "{refused}");
}
