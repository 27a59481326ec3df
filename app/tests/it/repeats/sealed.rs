//! What is kept of an answer with a secret or a person in it: for its repeat alone, and not for who reads the
//! database (I-04).

use erpgo_secret_set::KeyName::Refresh;
use http::Method;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::AssertSqlSafe;

use super::{API_KEYS, USERS, api_key, effects, is_the_same, send, user};
use crate::privacy::dump;
use crate::rotation::pod::{Pod, fresh, promote, retire, stage};
use crate::sql::{execute, number};
use crate::world::{PASSWORD, World};

const EMAIL: &str = "annabella@example.org";

/// The table's rows.
async fn kept(world: &World) -> String {
    sqlx::query_scalar("SELECT string_agg(k::text, ' ') FROM idempotency_keys k")
        .fetch_one(&world.state.database.pool())
        .await
        .unwrap()
}

/// As it is, and as bytes are shown.
fn forms(text: &str) -> [String; 2] {
    [text.to_owned(), hex::encode(text)]
}

#[tokio::test]
async fn i04_neither_a_key_nor_a_password_nor_a_person_lies_in_a_kept_answer() {
    let world = World::new().await;
    let admin = world.admin().await;
    let made = send(&world, API_KEYS, &admin, "key-1", &api_key("shop")).await;
    let key = made.expect(201).json()["key"].as_str().unwrap().to_owned();
    let ann = user(EMAIL, PASSWORD);
    let made = send(&world, USERS, &admin, "key-1", &ann).await;
    made.expect(201);
    let everything = dump(&world).await;
    assert!(everything.contains(EMAIL) && everything.contains("key-1"));
    // What stands before it may be shown.
    for secret in [&key[16..], PASSWORD] {
        for form in forms(secret) {
            assert!(!everything.contains(&form), "the database holds {form}");
        }
    }
    let kept = kept(&world).await;
    for person in [EMAIL, "Annabella", "Roehampton"] {
        for form in forms(person) {
            assert!(!kept.contains(&form), "a kept answer tells of {form}");
        }
    }
    let sealed = "SELECT count(*) FROM idempotency_keys
        WHERE body = '' AND octet_length(sealed) > 100 AND sealed_by = 'refresh-1'";
    assert_eq!(number(&world, sealed).await, 2);
}

/// Whoever has the database could try one password after the other.
#[tokio::test]
async fn i04_the_request_of_a_new_user_is_hashed_under_a_key_and_its_password_counts() {
    let world = World::new().await;
    let admin = world.admin().await;
    let made = send(&world, USERS, &admin, "key-1", &user(EMAIL, PASSWORD)).await;
    made.expect(201);
    let other = user(EMAIL, "violet badgers whistle opera");
    let other = send(&world, USERS, &admin, "key-1", &other).await;
    other.refused(422, "IDEMPOTENCY_KEY_REUSED");
    let asked = format!(
        "{{\"email\":\"{EMAIL}\",\"first_name\":\"Annabella\",\"last_name\":\"Roehampton\",\"password\":\"{PASSWORD}\"}}"
    );
    let kept = kept(&world).await;
    assert!(
        !kept.contains(&hex::encode(Sha256::digest(asked))),
        "{kept}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_answer_outlives_a_rotation_and_ends_with_the_version_that_it_is_sealed_under() {
    let pod = Pod::new().await;
    let world = &pod.world;
    let admin = world.admin().await;
    let requests = [(API_KEYS, api_key("shop")), (USERS, user(EMAIL, PASSWORD))];
    let mut given = Vec::new();
    for (path, body) in &requests {
        given.push(send(world, path, &admin, "key-1", body).await.expect(201));
    }
    let all_are_the_same = async || {
        for ((path, body), first) in requests.iter().zip(&given) {
            let again = send(world, path, &admin, "key-1", body).await;
            is_the_same(&again, first, path);
        }
    };
    pod.turn(|keys| stage(keys, Refresh, fresh("refresh-2")))
        .await;
    all_are_the_same().await;
    pod.turn(|keys| promote(keys, Refresh)).await;
    all_are_the_same().await;
    let till = api_key("till");
    let second = send(world, API_KEYS, &admin, "key-2", &till).await;
    let second = second.expect(201);

    pod.turn(|keys| retire(keys, Refresh)).await;
    let before = effects(world).await;
    // Of this minute, it may be one that this process is to hear of yet.
    for (made, code) in [
        ("now()", "IDEMPOTENCY_IN_FLIGHT"),
        ("now() - interval '61 seconds'", "CONFLICT"),
    ] {
        let sql = format!("UPDATE idempotency_keys SET created_at = {made} WHERE key = 'key-1'");
        let pool = world.state.database.pool();
        let aged = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&pool).await;
        aged.unwrap();
        for (path, body) in &requests {
            let again = send(world, path, &admin, "key-1", body).await;
            again.refused(409, code);
        }
    }
    assert_eq!(effects(world).await, before);
    let again = send(world, API_KEYS, &admin, "key-2", &till).await;
    is_the_same(&again, &second, API_KEYS);
}

/// The answer goes with the person; that there was one stays, or a late repeat would make them anew.
#[tokio::test]
async fn a_kept_answer_goes_with_the_person_it_tells_of_and_its_key_stays_used() {
    for (method, tail) in [(Method::POST, "/erase"), (Method::DELETE, "")] {
        let world = World::new().await;
        let admin = world.admin().await;
        let (ann, bob) = (user(EMAIL, PASSWORD), user("bob@example.org", PASSWORD));
        let made = send(&world, USERS, &admin, "key-1", &ann).await.expect(201);
        let bobs = send(&world, USERS, &admin, "key-2", &bob).await.expect(201);
        let about = "SELECT count(*) FROM idempotency_keys k JOIN users u ON u.id = k.subject";
        assert_eq!(number(&world, about).await, 2);
        let path = made.headers["location"].to_str().unwrap();
        let path = format!("{path}{tail}");
        let body = (method == Method::POST).then(|| json!({}));
        let ended = world.call(method.clone(), &path, &admin, body).await;
        ended.expect(204);
        let emptied = "SELECT count(*) FROM idempotency_keys WHERE key = 'key-1' AND body = '' AND sealed = ''
            AND location IS NULL AND subject IS NULL AND fingerprint = decode(repeat('00', 32), 'hex')";
        assert_eq!(number(&world, emptied).await, 1, "{method} {path}");
        assert!(!dump(&world).await.contains(EMAIL), "{method} {path}");
        let before = effects(&world).await;
        for body in [&ann, &bob] {
            let again = send(&world, USERS, &admin, "key-1", body).await;
            again.refused(409, "CONFLICT");
        }
        assert_eq!(effects(&world).await, before, "{method} {path}");
        let again = send(&world, USERS, &admin, "key-2", &bob).await;
        is_the_same(&again, &bobs, USERS);
    }
}

/// In a rollout the version before erases too, and knows nothing of kept answers.
#[tokio::test]
async fn a_kept_answer_that_was_left_of_an_erased_person_is_not_given() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (ann, bob) = (user(EMAIL, PASSWORD), user("bob@example.org", PASSWORD));
    send(&world, USERS, &admin, "key-1", &ann).await.expect(201);
    let bobs = send(&world, USERS, &admin, "key-2", &bob).await.expect(201);
    execute(
        &world,
        "INSERT INTO subject_keys (subject, key, created_at, destroyed_at)
         SELECT subject, decode(repeat('00', 32), 'hex'), now(), now() FROM idempotency_keys WHERE key = 'key-1'
         ON CONFLICT (subject) DO UPDATE SET key = excluded.key, destroyed_at = excluded.destroyed_at",
    )
    .await;
    let before = effects(&world).await;
    let again = send(&world, USERS, &admin, "key-1", &ann).await;
    again.refused(409, "CONFLICT");
    assert!(!again.text.contains(EMAIL), "{}", again.text);
    let again = send(&world, USERS, &admin, "key-2", &bob).await;
    is_the_same(&again, &bobs, USERS);
    assert_eq!(effects(&world).await, before);
}
