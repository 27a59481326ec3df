//! What is made, assigned and removed with an Idempotency-Key has one effect, however often it is sent.

mod sealed;

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use crate::sql::{number, sql};
use crate::world::{Answer, PASSWORD, World, call_with, shared};

const USERS: &str = "/api/v1/users";
const ROLES: &str = "/api/v1/roles";
const API_KEYS: &str = "/api/v1/api-keys";
const ASSIGN: &str = "/api/v1/roles/assign";
const REMOVE: &str = "/api/v1/roles/remove";

async fn send(world: &World, path: &str, token: &str, key: &str, body: &Value) -> Answer {
    let headers = [("idempotency-key", key)];
    let place = (Method::POST, path);
    call_with(&world.router, place, token, &headers, Some(body)).await
}

fn user(email: &str, password: &str) -> Value {
    json!({"email": email, "first_name": "Annabella", "last_name": "Roehampton", "password": password})
}

fn api_key(name: &str) -> Value {
    json!({"name": name, "scopes": ["users.read"]})
}

/// A request, and another one to the same operation.
struct Case {
    path: &'static str,
    body: Value,
    other: Value,
    status: u16,
}

/// Every operation but that of products: somebody has one of two roles.
async fn cases(world: &World, admin: &str) -> Vec<Case> {
    let (kim, _) = world.user("kim@example.org", &[]).await;
    let role = async |name: &str| {
        let body = json!({"name": name, "permissions": ["products.read"]});
        let made = world.post(ROLES, admin, body).await.expect(201);
        json!({"user_id": kim, "role_id": made.json()["id"]})
    };
    let (held, free) = (role("held").await, role("free").await);
    let assigned = world.post(ASSIGN, admin, held.clone()).await;
    assigned.expect(204);
    let case = |path, body, other, status| Case {
        path,
        body,
        other,
        status,
    };
    let (ann, bob) = ("ann@example.org", "bob@example.org");
    vec![
        case(USERS, user(ann, PASSWORD), user(bob, PASSWORD), 201),
        case(
            ROLES,
            json!({"name": "Clerk", "permissions": ["products.read"]}),
            json!({"name": "Packer", "permissions": ["products.read"]}),
            201,
        ),
        case(API_KEYS, api_key("shop"), api_key("till"), 201),
        case(ASSIGN, free.clone(), held.clone(), 204),
        case(REMOVE, held, free, 204),
    ]
}

/// How often an API key was shown again.
const SHOWN: &str = "SELECT count(*) FROM audit_events WHERE action = 'api_key.shown'";

/// How many there are of all that these operations write; a repeat notes that it shows an API key, and no more.
async fn effects(world: &World) -> Vec<i64> {
    let mut counts = Vec::new();
    for count in [
        "SELECT count(*) FROM users",
        "SELECT count(*) FROM outbox",
        "SELECT count(*) FROM roles",
        "SELECT count(*) FROM user_roles",
        "SELECT count(*) FROM api_keys",
        "SELECT count(*) FROM audit_events WHERE action <> 'api_key.shown'",
        "SELECT count(*) FROM idempotency_keys",
    ] {
        counts.push(number(world, count).await);
    }
    counts
}

fn is_the_same(again: &Answer, first: &Answer, path: &str) {
    assert!(again.is_replayed(), "{path}: {}", again.text);
    assert_eq!(
        (again.status, &again.text),
        (first.status, &first.text),
        "{path}"
    );
    for name in ["location", "content-type"] {
        let (again, first) = (again.headers.get(name), first.headers.get(name));
        assert_eq!(again, first, "{path}: {name}");
    }
}

/// One key serves every operation: it is each one's alone.
#[tokio::test]
async fn the_same_request_again_is_answered_as_before_and_another_one_refused() {
    let world = World::new().await;
    let admin = world.admin().await;
    for case in cases(&world, &admin).await {
        let path = case.path;
        let before = effects(&world).await;
        let first = send(&world, path, &admin, "key-1", &case.body).await;
        let first = first.expect(case.status);
        assert!(!first.is_replayed(), "{path}");
        let after = effects(&world).await;
        assert_ne!(after, before, "{path}");
        let again = send(&world, path, &admin, "key-1", &case.body).await;
        is_the_same(&again, &first, path);
        let other = send(&world, path, &admin, "key-1", &case.other).await;
        other.refused(422, "IDEMPOTENCY_KEY_REUSED");
        assert_eq!(effects(&world).await, after, "{path}");
    }
    // That of the one repeat that holds a key.
    assert_eq!(number(&world, SHOWN).await, 1);
}

#[tokio::test]
async fn r18_1_an_api_key_is_shown_again_with_a_note_of_it_or_not_at_all() {
    let world = World::new().await;
    let admin = world.admin().await;
    let shop = api_key("shop");
    let first = send(&world, API_KEYS, &admin, "key-1", &shop).await;
    let first = first.expect(201);
    assert_eq!(number(&world, SHOWN).await, 0);
    let again = send(&world, API_KEYS, &admin, "key-1", &shop).await;
    is_the_same(&again, &first, API_KEYS);
    let noted =
        "SELECT count(*) FROM audit_events e JOIN api_keys k ON e.target = 'api_key:' || k.id::text
        WHERE e.action = 'api_key.shown' AND e.outcome = 'success' AND e.actor = k.user_id";
    assert_eq!(number(&world, noted).await, 1);
    let mut direct = PgConnection::connect(&world.database.admin_url())
        .await
        .unwrap();
    let refuse = "ALTER TABLE audit_events ADD CONSTRAINT no_more CHECK (action <> 'api_key.shown') NOT VALID";
    sql(&mut direct, refuse).await;
    let untold = send(&world, API_KEYS, &admin, "key-1", &shop).await;
    let key = first.json()["key"].as_str().unwrap().to_owned();
    assert_eq!(untold.status, 500, "{}", untold.text);
    assert!(!untold.text.contains(&key));
    assert_eq!(number(&world, SHOWN).await, 1);
}

#[tokio::test]
async fn a_key_belongs_to_its_user() {
    let world = World::new().await;
    let admin = world.admin().await;
    let cases = cases(&world, &admin).await;
    let (_, eve) = world.user("eve@example.org", &["*"]).await;
    for case in &cases {
        let path = case.path;
        let first = send(&world, path, &admin, "key-1", &case.body).await;
        let first = first.expect(case.status);
        let eves = send(&world, path, &eve, "key-1", &case.other).await;
        let eves = eves.expect(case.status);
        assert!(!eves.is_replayed(), "{path}");
        assert!(eves.text.is_empty() || eves.text != first.text, "{path}");
        let mixed = send(&world, path, &eve, "key-1", &case.body).await;
        mixed.refused(422, "IDEMPOTENCY_KEY_REUSED");
        let again = send(&world, path, &admin, "key-1", &case.body).await;
        is_the_same(&again, &first, path);
    }
}

/// It is the answer that is repeated, and not what has become of it since.
#[tokio::test]
async fn the_first_answer_stands_whatever_happened_in_between() {
    let world = World::new().await;
    let admin = world.admin().await;
    let cases = cases(&world, &admin).await;
    let mut given = Vec::new();
    for case in &cases {
        let first = send(&world, case.path, &admin, "key-1", &case.body).await;
        given.push(first.expect(case.status));
    }
    let [user, role, key, ..] = &given[..] else {
        panic!("{}", given.len());
    };
    let at = |answer: &Answer| answer.headers["location"].to_str().unwrap().to_owned();
    let body = json!({"email": "ann2@example.org", "first_name": "Ann", "last_name": "Lee", "is_active": false});
    world.put(&at(user), &admin, body).await.expect(200);
    let body = json!({"name": "Clerks", "permissions": []});
    world.put(&at(role), &admin, body).await.expect(200);
    world.delete(&at(key), &admin).await.expect(204);
    // Those two are undone.
    let back = [(REMOVE, &cases[3].body), (ASSIGN, &cases[4].body)];
    for (path, body) in back {
        world.post(path, &admin, body.clone()).await.expect(204);
    }
    let before = effects(&world).await;
    for (case, first) in cases.iter().zip(&given) {
        let again = send(&world, case.path, &admin, "key-1", &case.body).await;
        is_the_same(&again, first, case.path);
    }
    assert_eq!(effects(&world).await, before);
    let key = key.json()["key"].as_str().unwrap().to_owned();
    let answer = world.get(USERS, &key).await;
    answer.refused(401, "TOKEN_REVOKED");
}

/// Asks again while another request has the key, and answers what is made.
pub async fn until_made<Asked>(ask: impl Fn() -> Asked) -> String
where
    Asked: Future<Output = Answer>,
{
    let limit = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let answer = ask().await;
        if answer.status != 409 || std::time::Instant::now() > limit {
            return answer.expect(201).text;
        }
        assert_eq!(answer.code(), "IDEMPOTENCY_IN_FLIGHT");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// No constraint would keep a second API key from being made.
#[tokio::test]
async fn of_many_at_once_one_makes_an_api_key_and_all_are_given_it() {
    let world = shared(World::new().await);
    let admin = world.admin().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (world, admin) = (world.clone(), admin.clone());
        tasks.spawn(async move {
            let body = api_key("shop");
            until_made(|| send(&world, API_KEYS, &admin, "key-1", &body)).await
        });
    }
    let mut texts = tasks.join_all().await;
    texts.dedup();
    assert_eq!(texts.len(), 1);
    assert_eq!(number(&world, "SELECT count(*) FROM api_keys").await, 1);
}
