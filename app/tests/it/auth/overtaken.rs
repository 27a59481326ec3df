//! Sign-ins whose password was right a moment ago.

use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, Postgres, Transaction};

use crate::locks::waits_for_locks;
use crate::second_factor::switch_on;
use crate::sql::number;
use crate::world::{ADMIN, Answer, PASSWORD, World};

const OTHER: &str = "violet badgers whistle opera";

/// A sign-in with the password of before, whose hash is replaced by that of `password` while it runs.
async fn overtaken(world: &World, password: &str) -> Answer {
    meanwhile(world, (ADMIN, password), world.login(ADMIN, PASSWORD)).await
}

/// The answer to `call`, during which the user's hash is replaced by that of `password`.
async fn meanwhile(
    world: &World,
    (email, password): (&str, &str),
    call: impl Future<Output = Answer>,
) -> Answer {
    let hash = world.state.hasher.hash(
        world.state.keyring.current(),
        erpgo_secret_set::Secret::new(password.to_owned()),
    );
    let hash = hash.await.unwrap();
    let mut change = PgConnection::connect(&world.database.url()).await.unwrap();
    let mut change = change.begin().await.unwrap();
    sqlx::query("UPDATE users SET password_hash = $2, pepper_kid = $3 WHERE email = $1")
        .bind(email)
        .bind(&hash.phc)
        .bind(&hash.pepper_kid)
        .execute(&mut *change)
        .await
        .unwrap();
    sqlx::query("UPDATE sessions SET revoked_at = now(), revoked_reason = 'password'")
        .execute(&mut *change)
        .await
        .unwrap();
    once_it_waits(world, change, call).await
}

/// The answer to `call`, which waits for `change` until that is committed.
async fn once_it_waits(
    world: &World,
    change: Transaction<'_, Postgres>,
    call: impl Future<Output = Answer>,
) -> Answer {
    let committed = async {
        waits_for_locks(&world.database, 1).await;
        change.commit().await.unwrap();
    };
    tokio::join!(call, committed).0
}

const LIVE: &str = "SELECT count(*) FROM sessions WHERE revoked_at IS NULL";
const HALVES: &str = "SELECT count(*) FROM login_challenges";
const FAILED: &str = "SELECT count(*) FROM audit_events WHERE action = 'auth.sign_in_failed'";

/// An answer without what differs from time to time.
fn bare(answer: &Answer) -> Value {
    let mut body = answer.json();
    for name in ["unlock_at", "trace_id", "request_id", "timestamp"] {
        body.as_object_mut().unwrap().remove(name);
    }
    body
}

#[tokio::test]
async fn a_password_that_is_changed_before_the_session_is_there_opens_none() {
    let world = World::new().await;
    world.signed_in(ADMIN).await;
    let overtaken = overtaken(&world, OTHER).await;
    overtaken.refused(401, "INVALID_CREDENTIALS");
    assert_eq!(number(&world, LIVE).await, 0);
    assert_eq!(number(&world, FAILED).await, 1);
    // As any other that is wrong.
    let wrong = world.login(ADMIN, PASSWORD).await;
    assert_eq!(bare(&overtaken), bare(&wrong));
    world.login(ADMIN, OTHER).await.expect(200);
    assert_eq!(number(&world, LIVE).await, 1);
}

#[tokio::test]
async fn it_opens_no_half_of_a_sign_in_either() {
    let world = World::new().await;
    let token = world.admin().await;
    switch_on(&world, &token).await;
    let answer = overtaken(&world, OTHER).await;
    answer.refused(401, "INVALID_CREDENTIALS");
    assert_eq!(number(&world, HALVES).await, 0);
    world.login(ADMIN, OTHER).await.expect(202);
    assert_eq!(number(&world, HALVES).await, 1);
}

/// Two sign-ins at once after a change of the pepper: the one that comes second is right all the same.
#[tokio::test]
async fn a_better_hash_of_the_same_password_refuses_nobody() {
    let world = World::new().await;
    overtaken(&world, PASSWORD).await.expect(200);
    assert_eq!(number(&world, LIVE).await, 1);
    assert_eq!(number(&world, FAILED).await, 0);
}

/// What is committed while the change waits for the user's row was begun with the password of before.
#[tokio::test]
async fn a_change_that_waits_for_half_of_a_sign_in_ends_it_too() {
    let world = World::new().await;
    let token = world.admin().await;
    world.user("kim@example.org", &[]).await;
    let mut halves = PgConnection::connect(&world.database.url()).await.unwrap();
    let mut halves = halves.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO login_challenges (id, user_id, token_hash, created_at, expires_at)
         SELECT gen_random_uuid(), id, sha256(id::text::bytea), now(), now() + interval '5 minutes'
         FROM users FOR SHARE",
    )
    .execute(&mut *halves)
    .await
    .unwrap();
    let committed = async {
        waits_for_locks(&world.database, 1).await;
        halves.commit().await.unwrap();
    };
    let body = json!({"current_password": PASSWORD, "new_password": OTHER});
    let changed = world.post("/api/v1/auth/change-password", &token, body);
    tokio::join!(changed, committed).0.expect(204);
    // That of the user whose password is as it was.
    assert_eq!(number(&world, HALVES).await, 1);
    let of_admin = "SELECT count(*) FROM login_challenges c JOIN users u ON u.id = c.user_id
                    WHERE u.email = 'admin@example.org'";
    assert_eq!(number(&world, of_admin).await, 0);
}

/// What asks for the password beside the session, and how a sign-in of whoever may ask for it is answered: who
/// enrols has no second factor yet.
fn calls() -> [(&'static str, Value, u16); 4] {
    [
        (
            "/api/v1/auth/change-password",
            json!({"current_password": PASSWORD, "new_password": "amber foxes juggle marble"}),
            202,
        ),
        (
            "/api/v1/auth/second-factor/enrol",
            json!({"password": PASSWORD}),
            200,
        ),
        (
            "/api/v1/auth/second-factor/disable",
            json!({"password": PASSWORD}),
            202,
        ),
        ("/api/v1/profile/erase", json!({"password": PASSWORD}), 202),
    ]
}

/// The token of a user whose sign-ins are answered so.
async fn owner(world: &World, email: &str, sign_in: u16) -> String {
    let (_, token) = world.user(email, &[]).await;
    if sign_in == 202 {
        switch_on(world, &token).await;
    }
    token
}

/// Secrets of second factors that are not switched on.
const ENROLLED: &str = "SELECT count(*) FROM second_factors WHERE confirmed_at IS NULL";

/// The password was right a moment ago; who has changed it since has ended this very session.
#[tokio::test]
async fn what_takes_the_password_is_not_done_with_that_of_before() {
    let world = World::new().await;
    for (n, (path, body, sign_in)) in calls().into_iter().enumerate() {
        let email = format!("kim{n}@example.org");
        let token = owner(&world, &email, sign_in).await;
        let call = world.post(path, &token, body);
        let answer = meanwhile(&world, (&*email, OTHER), call).await;
        answer.refused(409, "CONFLICT");
        // The account, its second factor and the password of its owner are there, and no other factor.
        world.login(&email, OTHER).await.expect(sign_in);
        assert_eq!(number(&world, ENROLLED).await, 0, "{path}");
    }
}

#[tokio::test]
async fn what_takes_the_password_is_not_done_for_one_who_is_barred_meanwhile() {
    let world = World::new().await;
    let mut other = PgConnection::connect(&world.database.url()).await.unwrap();
    for (n, (path, body, sign_in)) in calls().into_iter().enumerate() {
        let email = format!("kim{n}@example.org");
        let token = owner(&world, &email, sign_in).await;
        let mut barred = other.begin().await.unwrap();
        let bar = "UPDATE users SET is_active = false WHERE email = $1";
        let bar = sqlx::query(bar).bind(&email).execute(&mut *barred);
        assert_eq!(bar.await.unwrap().rows_affected(), 1);
        let call = world.post(path, &token, body);
        let answer = once_it_waits(&world, barred, call).await;
        answer.refused(401, "TOKEN_REVOKED");
        // Let in again, they find all as it was.
        let admit = "UPDATE users SET is_active = true WHERE email = $1";
        let admit = sqlx::query(admit).bind(&email).execute(&mut other);
        admit.await.unwrap();
        world.login(&email, PASSWORD).await.expect(sign_in);
        assert_eq!(number(&world, ENROLLED).await, 0, "{path}");
    }
}

#[tokio::test]
async fn whatever_ends_all_sessions_ends_halves_of_sign_ins_too() {
    let world = World::new().await;
    let admin = world.admin().await;
    let email = "kim@example.org";
    let (id, token) = world.user(email, &[]).await;
    switch_on(&world, &token).await;
    let path = format!("/api/v1/users/{id}");
    let barred =
        json!({"email": email, "first_name": "Kim", "last_name": "Doe", "is_active": false});
    for way in ["others", "all", "barred"] {
        world.login(email, PASSWORD).await.expect(202);
        assert_eq!(number(&world, HALVES).await, 1, "{way}");
        match way {
            "others" => world.delete("/api/v1/sessions", &token).await.expect(204),
            "all" => {
                let sessions = format!("{path}/sessions");
                world.delete(&sessions, &admin).await.expect(204)
            }
            _ => world.put(&path, &admin, barred.clone()).await.expect(200),
        };
        assert_eq!(number(&world, HALVES).await, 0, "{way}");
    }
}
