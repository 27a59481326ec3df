//! What was under way when a person was erased leaves nothing of them behind.

use erpgo::audit::{Action, Event, record_alone};
use erpgo::extract::Origin;
use erpgo::subjects::{Subject, destroy, key, keys};
use erpgo::users::UserId;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{dump, owned};
use crate::audit::events_for;
use crate::locks::waits_for_locks;
use crate::world::{Answer, PASSWORD, World};

const EMAIL: &str = "kim@example.org";
const NAME: &str = "Roehampton";

/// How a person ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Erased,
    Deleted,
}

/// Whose key there is of the user, but for a tombstone.
async fn live_keys(world: &World, id: &str) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM subject_keys
         WHERE subject = $1::uuid AND (destroyed_at IS NULL OR key <> decode(repeat('00', 32), 'hex'))",
    )
    .bind(id)
    .fetch_one(&world.state.database.pool())
    .await
    .unwrap()
}

async fn ended(world: &World, id: &str, end: End, officer: &str) -> Answer {
    match end {
        End::Erased => {
            let path = format!("/api/v1/users/{id}/erase");
            world.post(&path, officer, json!({})).await
        }
        End::Deleted => world.delete(&format!("/api/v1/users/{id}"), officer).await,
    }
}

/// What `request` comes to when it waits for the row of a user who is ended meanwhile.
async fn behind(
    world: &World,
    id: &str,
    end: End,
    request: impl Future<Output = Answer>,
) -> Answer {
    let officer = world.admin().await;
    let mut holder = PgConnection::connect(&world.database.url()).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM users WHERE id = $1::uuid FOR NO KEY UPDATE")
        .bind(id)
        .execute(&mut *held)
        .await
        .unwrap();
    let second = async {
        waits_for_locks(&world.database, 1).await;
        request.await
    };
    let freed = async {
        waits_for_locks(&world.database, 2).await;
        held.commit().await.unwrap();
    };
    let (first, answer, ()) = tokio::join!(ended(world, id, end, &officer), second, freed);
    first.expect(204);
    answer
}

/// Nothing that the user could own, no key, and nothing that tells of them in clear.
async fn leaves_nothing(world: &World, id: &str, what: &str) {
    for (table, rows) in owned(world, id).await {
        assert_eq!(rows, 0, "{what}: {table}");
    }
    assert_eq!(live_keys(world, id).await, 0, "{what}");
    let dump = dump(world).await;
    for trace in [EMAIL, NAME] {
        assert!(!dump.contains(trace), "{what}: {trace} is still there");
    }
}

/// What a person may have under way.
fn requests() -> [(&'static str, &'static str, Value); 7] {
    let tomorrow = Timestamp::now() + SignedDuration::from_hours(24);
    [
        (
            "PUT",
            "/api/v1/profile",
            json!({"first_name": "Kim", "last_name": NAME}),
        ),
        (
            "POST",
            "/api/v1/api-keys",
            json!({"name": NAME, "scopes": ["products.read"], "expires_at": tomorrow}),
        ),
        (
            "POST",
            "/api/v1/auth/second-factor/enrol",
            json!({"password": PASSWORD}),
        ),
        ("POST", "/api/v1/email/send-verification", json!({})),
        (
            "POST",
            "/api/v1/auth/change-password",
            json!({"current_password": PASSWORD, "new_password": "violet badgers whistle opera"}),
        ),
        (
            "POST",
            "/api/v1/auth/second-factor/disable",
            json!({"password": PASSWORD}),
        ),
        (
            "POST",
            "/api/v1/profile/erase",
            json!({"password": PASSWORD}),
        ),
    ]
}

async fn own_requests_behind(end: End) {
    for (method, path, body) in requests() {
        let world = World::new().await;
        let (id, token) = world.user(EMAIL, &["products.read"]).await;
        let request = world.call(method.parse().unwrap(), path, &token, Some(body));
        let answer = behind(&world, &id, end, request).await;
        answer.refused(401, "TOKEN_REVOKED");
        leaves_nothing(&world, &id, &format!("{method} {path}, {end:?}")).await;
    }
}

#[tokio::test]
async fn what_a_person_has_under_way_ends_with_their_erasure() {
    own_requests_behind(End::Erased).await;
}

#[tokio::test]
async fn what_a_person_has_under_way_ends_with_their_deletion() {
    own_requests_behind(End::Deleted).await;
}

#[tokio::test]
async fn an_administrator_who_changes_a_person_meanwhile_brings_nothing_back() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (id, _) = world.user(EMAIL, &[]).await;
    let path = format!("/api/v1/users/{id}");
    let body = json!({"email": EMAIL, "first_name": "Kim", "last_name": NAME, "is_active": true});
    let change = world.put(&path, &admin, body.clone());
    behind(&world, &id, End::Erased, change)
        .await
        .refused(404, "NOT_FOUND");
    leaves_nothing(&world, &id, "a change under way").await;
    let late = world.put(&path, &admin, body).await;
    late.refused(404, "NOT_FOUND");
    leaves_nothing(&world, &id, "a change afterwards").await;
}

#[tokio::test]
async fn a_role_is_given_to_nobody_who_was_erased_and_there_is_none_to_take() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (id, _) = world.user(EMAIL, &[]).await;
    let role = json!({"name": "clerk", "permissions": ["products.read"]});
    let role = world.post("/api/v1/roles", &admin, role).await;
    let role = role.expect(201).json()["id"].clone();
    let membership = json!({"user_id": id, "role_id": role});
    let send = async |route: &str| {
        let path = format!("/api/v1/roles/{route}");
        world.post(&path, &admin, membership.clone()).await
    };
    behind(&world, &id, End::Erased, send("assign"))
        .await
        .refused(404, "NOT_FOUND");
    leaves_nothing(&world, &id, "a role that was under way").await;
    let path = format!("/api/v1/users/{id}");
    let erased = world.get(&path, &admin).await.expect(200).json();

    send("assign").await.refused(404, "NOT_FOUND");
    send("remove").await.expect(204);
    leaves_nothing(&world, &id, "a role afterwards").await;
    assert_eq!(world.get(&path, &admin).await.json(), erased);
    for action in ["role.assigned", "role.removed"] {
        let query = format!("target=user:{id}&action={action}");
        assert_eq!(events_for(&world, &admin, &query).await.len(), 0);
    }
}

/// As a change of the password does, whose mail is written and not committed yet.
#[tokio::test]
async fn a_mail_that_is_being_written_meanwhile_goes_with_the_person() {
    for end in [End::Erased, End::Deleted] {
        let world = World::new().await;
        let (id, _) = world.user(EMAIL, &[]).await;
        let officer = world.admin().await;
        let mut holder = PgConnection::connect(&world.database.url()).await.unwrap();
        let mut held = holder.begin().await.unwrap();
        let written = sqlx::query(
            "WITH held AS (SELECT id, email FROM users WHERE id = $1::uuid FOR NO KEY UPDATE)
             INSERT INTO outbox (id, kind, user_id, address, facts, created_at, expires_at,
                                 next_attempt_at)
             SELECT gen_random_uuid(), 'password_changed', id, email,
                    '{\"kind\": \"password_changed\"}'::jsonb, now(), now() + interval '1 day', now()
             FROM held",
        );
        let written = written.bind(&id).execute(&mut *held).await.unwrap();
        assert_eq!(written.rows_affected(), 1);
        let committed = async {
            waits_for_locks(&world.database, 1).await;
            held.commit().await.unwrap();
        };
        let (answer, ()) = tokio::join!(ended(&world, &id, end, &officer), committed);
        answer.expect(204);
        leaves_nothing(&world, &id, &format!("a mail, {end:?}")).await;
    }
}

/// A sign-in that looked the user up before the end, and notes its failure afterwards.
#[tokio::test]
async fn a_failure_that_is_noted_afterwards_is_noted_without_the_person() {
    for end in [End::Erased, End::Deleted] {
        let world = World::new().await;
        let (id, _) = world.user(EMAIL, &[]).await;
        let admin = world.admin().await;
        let owner: UserId = id.parse().unwrap();
        let noted = async || {
            let event = Event::of(Action::SignInFailed, &Origin::program());
            let event = event.claimed(EMAIL, Some(owner)).refused();
            record_alone(&world.state.database, &event).await.unwrap();
        };
        noted().await;
        ended(&world, &id, end, &admin).await.expect(204);
        noted().await;
        leaves_nothing(&world, &id, &format!("{end:?}")).await;
        let failed = format!("target=user:{id}&action=auth.sign_in_failed");
        let told: Vec<_> = events_for(&world, &admin, &failed)
            .await
            .iter()
            .map(|event| (event["personal"].clone(), event["erased"].clone()))
            .collect();
        // Newest first: nothing was kept of the one, and what was kept of the other does not open.
        let expected = [(Value::Null, json!(false)), (Value::Null, json!(true))];
        assert_eq!(told, expected, "{end:?}");
    }
}

#[tokio::test]
async fn a_key_is_not_made_beside_its_destruction() {
    let world = World::new().await;
    let database = &world.state.database;
    for is_destroyed_first in [true, false] {
        let subject = Subject(Uuid::now_v7());
        let mut other = PgConnection::connect(&world.database.url()).await.unwrap();
        let mut first = other.begin().await.unwrap();
        match is_destroyed_first {
            true => destroy(&mut first, subject).await.unwrap(),
            false => assert!(key(&mut first, subject).await.unwrap().is_some()),
        }
        let second = async {
            let mut connection = database.acquire().await.unwrap();
            match is_destroyed_first {
                true => assert!(key(&mut connection, subject).await.unwrap().is_none()),
                false => destroy(&mut connection, subject).await.unwrap(),
            }
        };
        let committed = async {
            waits_for_locks(&world.database, 1).await;
            first.commit().await.unwrap();
        };
        tokio::join!(second, committed);
        let mut connection = database.acquire().await.unwrap();
        assert!(key(&mut connection, subject).await.unwrap().is_none());
        assert!(keys(&mut connection, [subject]).await.unwrap().is_empty());
        assert_eq!(live_keys(&world, &subject.0.to_string()).await, 0);
    }
}
