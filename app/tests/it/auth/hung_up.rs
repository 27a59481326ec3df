//! Clients that hang up in the middle of an attempt, and attempts whose time is over: what is counted is told of all
//! the same (R5.4, R5.5, R18.1).

use std::sync::Arc;

use serde_json::json;

use crate::locks::{locked, waits_for_locks};
use crate::second_factor::switch_on;
use crate::sql::{number, sql};
use crate::world::{ADMIN, Answer, PASSWORD, SETTINGS, World, shared, until};

const WRONG: &str = "wrong horse battery staple";
const FAILED: &str = "SELECT count(*) FROM audit_events
    WHERE action IN ('auth.sign_in_failed', 'auth.locked')";
const LOCKED: &str = "SELECT count(*) FROM audit_events WHERE action = 'auth.locked'";
const MAILS: &str = "SELECT count(*) FROM outbox WHERE kind = 'lockout'";
const SIGNED_IN: &str = "SELECT count(*) FROM audit_events WHERE action = 'auth.signed_in'";

/// Sends the request, and hangs up once it waits for `table`.
async fn hangs_up(
    world: &World,
    table: &str,
    request: impl Future<Output = Answer> + Send + 'static,
) {
    let mut holder = locked(&world.database, table).await;
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

/// One whose requests have little time.
async fn hurried() -> World {
    let yaml = format!("{SETTINGS}\nhttp: {{ request_timeout: 4s }}");
    World::with(&yaml, None).await
}

/// Nothing was found out, so the right password opens with `status`, and nobody is told of a lock.
async fn nobody_is_locked(world: &World, status: u16) {
    // The last one is taken back a moment after its answer.
    until("sign-in is open", || async {
        world.login(ADMIN, PASSWORD).await.status == status
    })
    .await;
    assert_eq!(number(world, LOCKED).await, 0);
    assert_eq!(number(world, MAILS).await, 0);
}

#[tokio::test]
async fn p10_sign_ins_whose_time_is_over_lock_nobody() {
    let world = hurried().await;
    let mut holder = locked(&world.database, "users").await;
    for _ in 0..5 {
        let answer = world.login(ADMIN, WRONG).await;
        answer.refused(504, "REQUEST_TIMEOUT");
    }
    sql(&mut holder, "ROLLBACK").await;
    nobody_is_locked(&world, 200).await;
}

#[tokio::test]
async fn p10_second_factors_whose_time_is_over_lock_nobody() {
    let world = hurried().await;
    let token = world.admin().await;
    let (_, codes) = switch_on(&world, &token).await;
    let half = world.login(ADMIN, PASSWORD).await.expect(202).json();
    let body = json!({"challenge_token": half["challenge_token"], "code": codes[0]});
    let mut holder = locked(&world.database, "second_factors").await;
    for _ in 0..5 {
        let path = "/api/v1/auth/login/second-factor";
        let answer = world.post(path, "", body.clone()).await;
        answer.refused(504, "REQUEST_TIMEOUT");
    }
    sql(&mut holder, "ROLLBACK").await;
    nobody_is_locked(&world, 202).await;
}

/// What is found wrong stays counted though it cannot be noted in time: the owner is told of the lock.
#[tokio::test]
async fn p10_a_failure_that_cannot_be_noted_in_time_counts_all_the_same() {
    let world = hurried().await;
    let mut holder = locked(&world.database, "audit_events").await;
    until("the mail is written", || async {
        world.login(ADMIN, WRONG).await;
        number(&world, MAILS).await == 1
    })
    .await;
    sql(&mut holder, "ROLLBACK").await;
    until("the right password is refused", || async {
        world.login(ADMIN, PASSWORD).await.status == 401
    })
    .await;
}
