//! API9: what is served is what is documented, in one version.

use crate::world::World;

#[tokio::test]
async fn nothing_is_served_that_is_not_in_the_document() {
    let world = World::new().await;
    let admin = world.admin().await;
    for path in [
        "/",
        "/api",
        "/api/",
        "/api/v1",
        "/api/v1/",
        "/api/v0/users",
        "/api/v2/users",
        "/users",
        "/v1/users",
        "/metrics",
        "/debug",
        "/debug/pprof",
        "/admin",
        "/api/v1/admin",
        "/api/v1/debug",
        "/internal",
        "/.git/config",
        "/.env",
        "/actuator",
        "/actuator/health",
        "/swagger.json",
        "/openapi.json",
        "/api/v1/auth/register",
        "/api/v1/test",
        "/graphql",
        "/server-status",
        "/api/v1/users.json",
        "/api/v1/outbox",
        "/api/v1/login-challenges",
        "/console",
        "/phpinfo.php",
    ] {
        world.get(path, &admin).await.refused(404, "NOT_FOUND");
    }
}

#[test]
fn the_document_says_its_version_and_every_operation_what_it_is() {
    let document = serde_json::to_value(erpgo::router::document()).unwrap();
    assert_eq!(document["info"]["version"], erpgo::VERSION);
    for (path, item) in document["paths"].as_object().unwrap() {
        assert!(
            path.starts_with("/api/v1/") || path.starts_with("/health/"),
            "{path}"
        );
        for (method, operation) in item.as_object().unwrap() {
            if operation.get("responses").is_none() {
                continue;
            }
            let named = operation["summary"]
                .as_str()
                .or(operation["description"].as_str());
            assert!(
                named.is_some_and(|text| !text.is_empty()),
                "{method} {path}"
            );
            assert!(operation["tags"][0].is_string(), "{method} {path}");
            assert_ne!(operation["deprecated"], true, "{method} {path}");
        }
    }
}
