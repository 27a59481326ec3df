//! Who may call what: every operation of the document with every kind of caller (OWASP API 1, 2, 5).

use std::time::Duration;

use erpgo::auth::token::{self, Claims, Kind, Subject};
use erpgo::users::SessionId;
use http::Method;
use serde_json::{Value, json};

use crate::openapi::PUBLIC;
use crate::world::{ADMIN, Answer, PASSWORD, World, access, call_with};

struct Operation {
    method: Method,
    path: String,
    /// What the document says that it takes; none when any sign-in will do.
    scope: Option<String>,
    has_body: bool,
}

fn operations() -> Vec<Operation> {
    let all = crate::openapi::operations().into_iter();
    all.filter(|(_, path, _)| !path.starts_with("/health/") && !PUBLIC.contains(&&**path))
        .map(|(method, path, operation)| {
            let requirements = operation["security"]
                .as_array()
                .unwrap_or_else(|| panic!("{method} {path} names no requirement"));
            assert_eq!(
                requirements.len(),
                1,
                "{method} {path}: alternatives would each need their row"
            );
            let scopes = requirements[0]["bearer"]
                .as_array()
                .unwrap_or_else(|| panic!("{method} {path} takes no bearer"));
            assert!(scopes.len() <= 1, "{method} {path}");
            Operation {
                scope: scopes.first().and_then(Value::as_str).map(str::to_owned),
                has_body: operation.get("requestBody").is_some(),
                method,
                path,
            }
        })
        .collect()
}

impl Operation {
    /// Calls it on things that are not there: whoever may call it learns so, nobody else anything.
    async fn call(&self, world: &World, token: &str) -> Answer {
        let body = self.has_body.then(|| json!({}));
        let any = [("if-match", "*")];
        call_with(
            &world.router,
            (self.method.clone(), &self.path),
            token,
            &any,
            body.as_ref(),
        )
        .await
    }

    fn place(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

fn admitted(answer: &Answer, who: &str, operation: &Operation) {
    assert!(
        !matches!(answer.status.as_u16(), 401 | 403 | 500..),
        "{who} at {}: {} {}",
        operation.place(),
        answer.status,
        answer.text
    );
}

fn refused(answer: &Answer, status: u16, code: &str, who: &str, operation: &Operation) {
    let found = (answer.status.as_u16(), answer.code());
    assert_eq!(
        found,
        (status, code.to_owned()),
        "{who} at {}",
        operation.place()
    );
}

/// Every permission that some operation asks for.
fn all_scopes(operations: &[Operation]) -> Vec<String> {
    let mut scopes: Vec<_> = operations
        .iter()
        .filter_map(|operation| operation.scope.clone())
        .collect();
    scopes.sort();
    scopes.dedup();
    scopes
}

/// An access token of the administrator that was good once.
pub async fn expired(world: &World) -> String {
    let user = world.signed_in(ADMIN).await["user"]["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let subject = Subject {
        user,
        session: SessionId::new(),
    };
    let hour_ago = jiff::Timestamp::now()
        .checked_sub(Duration::from_secs(3_600))
        .unwrap();
    let claims = Claims::new(
        Kind::Access,
        "erpgo",
        subject,
        hour_ago,
        Duration::from_secs(60),
    );
    token::issue(Kind::Access, &world.state.keyring.current(), claims)
        .unwrap()
        .token
}

async fn revoked(world: &World) -> String {
    let token = world.admin().await;
    world
        .post("/api/v1/auth/logout", &token, json!({}))
        .await
        .expect(204);
    token
}

async fn deactivated(world: &World) -> String {
    let (id, token) = world.user("gone@example.org", &["*"]).await;
    let admin = world.admin().await;
    let state = json!({"email": "gone@example.org", "first_name": "G", "last_name": "G", "is_active": false});
    world
        .put(&format!("/api/v1/users/{id}"), &admin, state)
        .await
        .expect(200);
    token
}

/// Once good for everything.
async fn expired_key(world: &World) -> String {
    let (id, key) = crate::api_keys::key(world, &world.admin().await, &["*"]).await;
    sqlx::query("UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1::uuid")
        .bind(id)
        .execute(&world.state.database.pool())
        .await
        .unwrap();
    key
}

/// Once good for everything, and used.
async fn revoked_key(world: &World) -> String {
    let admin = world.admin().await;
    let (id, key) = crate::api_keys::key(world, &admin, &["*"]).await;
    world.get("/api/v1/products", &key).await.expect(200);
    let path = format!("/api/v1/api-keys/{id}");
    world.delete(&path, &admin).await.expect(204);
    key
}

#[tokio::test]
async fn r13_3_nobody_without_a_live_credential_gets_past_any_operation() {
    let world = World::new().await;
    let refresh = world.signed_in(ADMIN).await["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let callers = [
        ("anonymous", String::new(), "UNAUTHORIZED"),
        ("nonsense", "nonsense".to_owned(), "TOKEN_INVALID"),
        ("a refresh token", refresh, "TOKEN_INVALID"),
        ("an expired token", expired(&world).await, "TOKEN_EXPIRED"),
        ("an ended session", revoked(&world).await, "TOKEN_REVOKED"),
        (
            "a deactivated user",
            deactivated(&world).await,
            "TOKEN_REVOKED",
        ),
        (
            "an API key that is none",
            "erp_00000000_nothing".to_owned(),
            "TOKEN_INVALID",
        ),
        (
            "an expired API key",
            expired_key(&world).await,
            "TOKEN_EXPIRED",
        ),
        (
            "a revoked API key",
            revoked_key(&world).await,
            "TOKEN_REVOKED",
        ),
    ];
    let operations = operations();
    assert!(operations.len() >= 20, "{}", operations.len());
    for operation in &operations {
        for (who, token, code) in &callers {
            let answer = operation.call(&world, token).await;
            refused(&answer, 401, code, who, operation);
        }
    }
}

/// A role with that permission alone opens an operation, one with every other permission does not.
#[tokio::test]
async fn r13_3_each_operation_is_opened_by_its_own_permission_and_by_no_other() {
    let world = World::new().await;
    let operations = operations();
    let scopes = all_scopes(&operations);
    let (_, nobody) = world.user("nobody@example.org", &[]).await;
    for (n, scope) in scopes.iter().enumerate() {
        let others: Vec<_> = scopes
            .iter()
            .filter(|other| *other != scope)
            .map(String::as_str)
            .collect();
        let resource = format!("{}.*", scope.split('.').next().unwrap());
        let (_, with) = world.user(&format!("with{n}@example.org"), &[scope]).await;
        let (_, wide) = world
            .user(&format!("wide{n}@example.org"), &[&resource])
            .await;
        let (_, without) = world
            .user(&format!("without{n}@example.org"), &others)
            .await;
        let mut opened = 0;
        for operation in operations
            .iter()
            .filter(|operation| operation.scope.as_ref() == Some(scope))
        {
            refused(
                &operation.call(&world, &nobody).await,
                403,
                "FORBIDDEN",
                "nobody",
                operation,
            );
            refused(
                &operation.call(&world, &without).await,
                403,
                "FORBIDDEN",
                "all but it",
                operation,
            );
            admitted(&operation.call(&world, &with).await, scope, operation);
            admitted(&operation.call(&world, &wide).await, &resource, operation);
            opened += 1;
        }
        assert!(opened > 0);
    }
}

/// The role that comes with the program opens everything; an account without roles its own matters only.
#[tokio::test]
async fn r13_3_the_administrator_gets_past_every_operation_and_the_powerless_to_their_own_account()
{
    let world = World::new().await;
    let system: Vec<String> =
        sqlx::query_scalar("SELECT name FROM roles WHERE is_system ORDER BY name")
            .fetch_all(&world.state.database.pool())
            .await
            .unwrap();
    assert_eq!(system, ["admin"], "a new system role needs its row here");
    for operation in operations() {
        // Some end the very session.
        admitted(
            &operation.call(&world, &world.admin().await).await,
            "admin",
            &operation,
        );
        if operation.scope.is_none() {
            let email = format!("{}@example.org", uuid::Uuid::new_v4().simple());
            let (_, nobody) = world.user(&email, &[]).await;
            admitted(&operation.call(&world, &nobody).await, "nobody", &operation);
        }
    }
}

/// An API key reaches no further than its scopes, however much its owner may do.
#[tokio::test]
async fn r13_3_an_api_key_opens_what_its_scopes_name_and_nothing_else() {
    let world = World::new().await;
    let operations = operations();
    let scopes = all_scopes(&operations);
    for (n, scope) in scopes.iter().enumerate() {
        // One may have so many keys and no more.
        let (_, owner) = world.user(&format!("owner{n}@example.org"), &["*"]).await;
        let others: Vec<_> = scopes
            .iter()
            .filter(|other| *other != scope)
            .map(String::as_str)
            .collect();
        let (_, with) = crate::api_keys::key(&world, &owner, &[scope]).await;
        let (_, without) = crate::api_keys::key(&world, &owner, &others).await;
        for operation in operations
            .iter()
            .filter(|operation| operation.scope.as_ref() == Some(scope))
        {
            let answer = operation.call(&world, &without).await;
            refused(
                &answer,
                403,
                "INSUFFICIENT_SCOPE",
                "a key without it",
                operation,
            );
            let answer = operation.call(&world, &with).await;
            admitted(&answer, "a key with it", operation);
        }
    }
}

/// What concerns the account itself takes a person: of all that any sign-in opens, a key that may do
/// everything opens this alone.
#[tokio::test]
async fn r13_3_an_api_key_opens_nothing_of_the_account_but_a_look_at_it() {
    let world = World::new().await;
    let (_, key) = crate::api_keys::key(&world, &world.admin().await, &["*"]).await;
    let mut opened = Vec::new();
    for operation in operations().iter().filter(|one| one.scope.is_none()) {
        let answer = operation.call(&world, &key).await;
        if answer.text.contains("this takes a sign-in") {
            refused(&answer, 403, "INSUFFICIENT_SCOPE", "a key", operation);
        } else {
            admitted(&answer, "a key", operation);
            opened.push(operation.place());
        }
    }
    assert_eq!(opened, ["GET /api/v1/profile"]);
}

/// What one may do to others' things follows from a permission, never from knowing an id (OWASP API 1).
#[tokio::test]
async fn owasp_api1_an_id_of_somebody_else_opens_nothing() {
    let world = World::new().await;
    let (victim, victim_token) = world.user("victim@example.org", &["products.write"]).await;
    let (_, thief) = world.user("thief@example.org", &["products.read"]).await;
    let admin = world.admin().await;
    let (key, _) = crate::api_keys::key(&world, &victim_token, &["products.write"]).await;
    let sessions = world
        .get("/api/v1/sessions", &victim_token)
        .await
        .expect(200)
        .json();
    let session = sessions["sessions"][0]["id"].as_str().unwrap().to_owned();
    let role = world.get("/api/v1/roles", &admin).await.json()["roles"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for (method, path, expected) in [
        (Method::GET, format!("/api/v1/users/{victim}"), 403),
        (Method::DELETE, format!("/api/v1/users/{victim}"), 403),
        (Method::GET, format!("/api/v1/roles/{role}"), 403),
        (Method::DELETE, format!("/api/v1/api-keys/{key}"), 404),
        (Method::DELETE, format!("/api/v1/sessions/{session}"), 404),
    ] {
        let answer = world.call(method.clone(), &path, &thief, None).await;
        assert_eq!(answer.status, expected, "{method} {path}: {}", answer.text);
    }
    let body = json!({"user_id": victim, "role_id": role});
    world
        .post("/api/v1/roles/assign", &thief, body)
        .await
        .refused(403, "FORBIDDEN");
    // And nothing has happened to the victim.
    world
        .get("/api/v1/profile", &victim_token)
        .await
        .expect(200);
    world
        .login("victim@example.org", PASSWORD)
        .await
        .expect(200);
    access(&world.signed_in("victim@example.org").await);
}
