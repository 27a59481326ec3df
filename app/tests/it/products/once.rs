//! A write with an Idempotency-Key has one effect, however often it is sent.

use erpgo::auth::sweep::sweep;
use http::Method;
use serde_json::Value;

use super::{PATH, body};
use crate::locks::{a_key_is_held, products_locked};
use crate::repeats::until_made;
use crate::sql::{number, sql};
use crate::world::{Answer, World, call_with, shared};

async fn send(world: &World, token: &str, key: &str, sent: &Value) -> Answer {
    let headers = [("idempotency-key", key)];
    call_with(
        &world.router,
        (Method::POST, PATH),
        token,
        &headers,
        Some(sent),
    )
    .await
}

/// The request of "key-1" gets the `first` answer again.
async fn is_repeated(world: &World, admin: &str, first: &Answer) {
    let again = send(world, admin, "key-1", &body("A")).await;
    assert_eq!(again.expect(201).text, first.text);
}

async fn count(world: &World) -> i64 {
    number(world, "SELECT count(*) FROM products").await
}

#[tokio::test]
async fn the_same_request_again_is_answered_as_before() {
    let world = World::new().await;
    let admin = world.admin().await;
    let first = send(&world, &admin, "key-1", &body("A")).await.expect(201);
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let again = send(&world, &admin, "key-1", &body("A")).await.expect(201);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.text, first.text);
    for name in ["location", "etag", "content-type"] {
        assert_eq!(again.headers[name], first.headers[name]);
    }
    assert_eq!(count(&world).await, 1);
    // Even when the product has changed or gone since: it is the answer that is repeated.
    let path = first.headers["location"].to_str().unwrap();
    let any = [("if-match", "*")];
    call_with(&world.router, (Method::DELETE, path), &admin, &any, None)
        .await
        .expect(204);
    is_repeated(&world, &admin, &first).await;
    assert_eq!(count(&world).await, 0);
}

#[tokio::test]
async fn the_key_with_another_body_is_422() {
    let world = World::new().await;
    let admin = world.admin().await;
    send(&world, &admin, "key-1", &body("A")).await.expect(201);
    send(&world, &admin, "key-1", &body("B"))
        .await
        .refused(422, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(count(&world).await, 1);
}

#[tokio::test]
async fn a_key_belongs_to_its_user() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (_, kim) = world.user("kim@example.org", &["products.write"]).await;
    let first = send(&world, &admin, "key-1", &body("A")).await.expect(201);
    let other = send(&world, &kim, "key-1", &body("B")).await.expect(201);
    assert_ne!(first.json()["id"], other.json()["id"]);
    send(&world, &kim, "key-1", &body("A"))
        .await
        .refused(422, "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn a_refusal_is_not_kept_so_that_the_key_can_be_used_again() {
    let world = World::new().await;
    let admin = world.admin().await;
    let taken = send(&world, &admin, "key-1", &body("A")).await.expect(201);
    send(&world, &admin, "key-2", &body("A"))
        .await
        .refused(409, "DUPLICATE_SKU");
    let path = taken.headers["location"].to_str().unwrap();
    let any = [("if-match", "*")];
    call_with(&world.router, (Method::DELETE, path), &admin, &any, None)
        .await
        .expect(204);
    let made = send(&world, &admin, "key-2", &body("A")).await.expect(201);
    assert!(!made.headers.contains_key("idempotency-replayed"));
}

#[tokio::test]
async fn while_the_first_is_worked_on_the_second_is_409_and_later_gets_its_answer() {
    let world = shared(World::new().await);
    let admin = world.admin().await;
    let mut holder = products_locked(&world.database).await;
    let first = tokio::spawn({
        let (world, admin) = (world.clone(), admin.clone());
        async move { send(&world, &admin, "key-1", &body("A")).await }
    });
    a_key_is_held(&world).await;
    let second = send(&world, &admin, "key-1", &body("A")).await;
    second.refused(409, "IDEMPOTENCY_IN_FLIGHT");
    assert_eq!(second.headers["retry-after"], "1");
    sql(&mut holder, "ROLLBACK").await;
    let first = first.await.unwrap().expect(201);
    is_repeated(&world, &admin, &first).await;
    assert_eq!(count(&world).await, 1);
}

#[tokio::test]
async fn r10_3_of_many_at_once_one_has_the_effect() {
    let world = shared(World::new().await);
    let admin = world.admin().await;
    for round in 0..5 {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..12 {
            let (world, admin) = (world.clone(), admin.clone());
            tasks.spawn(async move {
                let (key, sent) = (format!("key-{round}"), body(&format!("A-{round}")));
                until_made(|| send(&world, &admin, &key, &sent)).await
            });
        }
        let mut texts = tasks.join_all().await;
        texts.dedup();
        assert_eq!(texts.len(), 1);
    }
    assert_eq!(count(&world).await, 5);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_and_nothing_is_made() {
    let world = World::new().await;
    let admin = world.admin().await;
    for key in ["", "two words", "ü", &"x".repeat(256)] {
        let answer = send(&world, &admin, key, &body("A")).await;
        answer.refused(400, "VALIDATION_ERROR");
        assert_eq!(
            answer.json()["errors"][0]["pointer"],
            "#/header/idempotency-key"
        );
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "a")];
    let answer = call_with(
        &world.router,
        (Method::POST, PATH),
        &admin,
        &twice,
        Some(&body("A")),
    )
    .await;
    answer.refused(400, "VALIDATION_ERROR");
    assert_eq!(count(&world).await, 0);
    send(&world, &admin, &"x".repeat(255), &body("A"))
        .await
        .expect(201);
}

#[tokio::test]
async fn i12_answers_that_have_expired_are_forgotten_and_swept() {
    let world = World::new().await;
    let admin = world.admin().await;
    for n in 0..5 {
        send(
            &world,
            &admin,
            &format!("old-{n}"),
            &body(&format!("OLD-{n}")),
        )
        .await
        .expect(201);
    }
    let pool = world.state.database.pool();
    sqlx::query("UPDATE idempotency_keys SET created_at = created_at - interval '25 hours', expires_at = expires_at - interval '25 hours'")
        .execute(&pool)
        .await
        .unwrap();
    // Forgotten: the key now stands for a new request, which may be another one.
    send(&world, &admin, "old-0", &body("NEW"))
        .await
        .expect(201);
    sweep(&world.state.database).await.unwrap();
    let left: Vec<String> = sqlx::query_scalar("SELECT key FROM idempotency_keys ORDER BY key")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(left, ["old-0"], "the new one stays");
}
