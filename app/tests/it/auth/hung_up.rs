//! Clients that hang up in the middle of an attempt: what is counted is told of all the same (R5.4, R5.5, R18.1).

use std::sync::Arc;

use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::locks::waits_for_locks;
use crate::second_factor::switch_on;
use crate::world::{ADMIN, Answer, PASSWORD, World, shared, until};

const WRONG: &str = "wrong horse battery staple";
const FAILED: &str = "SELECT count(*) FROM audit_events
    WHERE action IN ('auth.sign_in_failed', 'auth.locked')";
const LOCKED: &str = "SELECT count(*) FROM audit_events WHERE action = 'auth.locked'";
const MAILS: &str = "SELECT count(*) FROM outbox WHERE kind = 'lockout'";
const SIGNED_IN: &str = "SELECT count(*) FROM audit_events WHERE action = 'auth.signed_in'";

async fn number(world: &World, query: &'static str) -> i64 {
    let pool = world.state.database.pool();
    sqlx::query_scalar(query).fetch_one(&pool).await.unwrap()
}

async fn sql(connection: &mut PgConnection, text: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(text.to_owned()))
        .execute(connection)
        .await
        .unwrap();
}

/// Sends the request, and hangs up once it waits for `table`.
async fn hangs_up(
    world: &World,
    table: &str,
    request: impl Future<Output = Answer> + Send + 'static,
) {
    let url = world.database.admin_url();
    let mut holder = PgConnection::connect(&url).await.unwrap();
    let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
    sql(&mut holder, &lock).await;
    let request = tokio::spawn(request);
    waits_for_locks(&world.database, 1).await;
    request.abort();
    assert!(matches!(request.await, Err(ended) if ended.is_cancelled()));
    sql(&mut holder, "ROLLBACK").await;
}

async fn login(world: Arc<World>, password: &'static str) -> Answer {
    world.login(ADMIN, password).await
}

/// The fifth of the failures has locked, and its owner is told.
async fn the_lock_is_told_of(world: &World) {
    until("the mail is written", || async {
        number(world, MAILS).await == 1
    })
    .await;
    assert_eq!(number(world, LOCKED).await, 1);
    let sign_in = world.login(ADMIN, PASSWORD).await;
    sign_in.refused(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn p10_who_hangs_up_in_a_sign_in_locks_nobody_in_silence() {
    let world = shared(World::new().await);
    for tries in 1..=5 {
        hangs_up(&world, "users", login(world.clone(), WRONG)).await;
        until("the failure is noted", || async {
            number(&world, FAILED).await == tries
        })
        .await;
        assert_eq!(number(&world, LOCKED).await, i64::from(tries == 5));
    }
    the_lock_is_told_of(&world).await;
}

#[tokio::test]
async fn p10_a_right_password_is_no_failure_though_its_client_hangs_up() {
    let world = shared(World::new().await);
    for _ in 0..4 {
        world.login(ADMIN, WRONG).await.expect(401);
    }
    hangs_up(&world, "users", login(world.clone(), PASSWORD)).await;
    until("the sign-in is noted", || async {
        number(&world, SIGNED_IN).await == 1
    })
    .await;
    assert_eq!(number(&world, FAILED).await, 4);
    // It has ended the count, too.
    until("sign-in is open", || async {
        world.login(ADMIN, PASSWORD).await.status == 200
    })
    .await;
    assert_eq!(number(&world, MAILS).await, 0);
}

#[tokio::test]
async fn p10_who_hangs_up_at_the_second_factor_locks_nobody_in_silence() {
    let world = shared(World::new().await);
    let token = world.admin().await;
    switch_on(&world, &token).await;
    let half = world.login(ADMIN, PASSWORD).await.expect(202).json();
    let body = json!({"challenge_token": half["challenge_token"], "code": "none"});
    for tries in 1..=5 {
        let finish = {
            let (world, body) = (world.clone(), body.clone());
            async move {
                world
                    .post("/api/v1/auth/login/second-factor", "", body)
                    .await
            }
        };
        hangs_up(&world, "second_factors", finish).await;
        until("the failure is noted", || async {
            number(&world, FAILED).await == tries
        })
        .await;
    }
    the_lock_is_told_of(&world).await;
}

#[tokio::test]
async fn p10_who_hangs_up_when_asked_once_more_locks_nobody_in_silence() {
    let world = shared(World::new().await);
    let token = world.admin().await;
    let body = json!({"current_password": WRONG, "new_password": "violet badgers whistle opera"});
    for tries in 1..=5 {
        let change = {
            let (world, token, body) = (world.clone(), token.clone(), body.clone());
            async move {
                world
                    .post("/api/v1/auth/change-password", &token, body)
                    .await
            }
        };
        // All that waits for the database once it is counted.
        hangs_up(&world, "audit_events", change).await;
        until("the failure is noted", || async {
            number(&world, FAILED).await == tries
        })
        .await;
    }
    the_lock_is_told_of(&world).await;
}
