//! Sign-ins and kept answers whose time is over take no room for ever.

use erpgo::auth::sweep::sweep;

use crate::sql::execute;
use crate::world::{ADMIN, World, access, refresh_token};

async fn count(world: &World, table: &'static str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .fetch_one(&world.state.database.pool())
        .await
        .unwrap()
}

/// So many sessions of the administrator, each with a token, that ended so long ago.
async fn ended(world: &World, sessions: i32, ago: &str) {
    sqlx::query(
        "WITH opened AS (
             INSERT INTO sessions (id, user_id, created_at, expires_at)
             SELECT gen_random_uuid(), u.id, now() - interval '30 days', now() - $2::text::interval
             FROM users u, generate_series(1, $1::int) RETURNING id)
         INSERT INTO refresh_tokens (id, session_id, token_hash, kid, issued_at, expires_at)
         SELECT gen_random_uuid(), id, sha256(id::text::bytea), 'k', now(), now() FROM opened",
    )
    .bind(sessions)
    .bind(ago)
    .execute(&world.state.database.pool())
    .await
    .unwrap();
}

#[tokio::test]
async fn sessions_go_with_their_tokens_a_day_after_their_end_though_nobody_signs_in() {
    let world = World::new().await;
    let token = world.admin().await;
    ended(&world, 1, "23 hours").await;
    // More than are removed at once.
    ended(&world, 250, "25 hours").await;
    assert_eq!(count(&world, "sessions").await, 252);
    sweep(&world.state.database).await.unwrap();
    assert_eq!(count(&world, "sessions").await, 2);
    assert_eq!(count(&world, "refresh_tokens").await, 2);
    world.get("/api/v1/profile", &token).await.expect(200);
}

#[tokio::test]
async fn a_sign_in_that_was_not_finished_in_time_goes_and_one_that_may_be_stays() {
    let world = World::new().await;
    execute(
        &world,
        "INSERT INTO login_challenges (id, user_id, token_hash, created_at, expires_at)
         SELECT gen_random_uuid(), u.id, sha256(n::text::bytea), now() - interval '10 minutes',
                now() + make_interval(mins => n)
         FROM users u, (VALUES (-5), (-1), (4)) AS v (n)",
    )
    .await;
    sweep(&world.state.database).await.unwrap();
    assert_eq!(count(&world, "login_challenges").await, 1);
    let open = "login_challenges WHERE expires_at > now()";
    assert_eq!(count(&world, open).await, 1);
}

#[tokio::test]
async fn a_kept_answer_goes_when_its_day_is_over_though_nothing_is_written_and_one_before_stays() {
    let world = World::new().await;
    // More than are removed at once.
    execute(
        &world,
        "INSERT INTO idempotency_keys (caller, operation, key, fingerprint, status, body, created_at, expires_at)
         SELECT u.id, 'test', n::text, sha256('x'), 201, '{}', now() - interval '1 day',
                now() + make_interval(mins => CASE WHEN n > 2500 THEN 1 ELSE -1 END)
         FROM users u, generate_series(1, 2502) n",
    )
    .await;
    assert_eq!(count(&world, "idempotency_keys").await, 2502);
    sweep(&world.state.database).await.unwrap();
    assert_eq!(count(&world, "idempotency_keys").await, 2);
    let valid = "idempotency_keys WHERE expires_at > now()";
    assert_eq!(count(&world, valid).await, 2);
}

#[tokio::test]
async fn a_session_that_goes_on_leaves_its_old_tokens_behind_and_knows_each_that_may_come_again() {
    let world = World::new().await;
    let mut given = vec![world.signed_in(ADMIN).await];
    for _ in 0..4 {
        let next = world.refresh(&refresh_token(given.last().unwrap())).await;
        given.push(next.expect(200).json());
    }
    // The time of the first two is long over.
    execute(
        &world,
        "UPDATE refresh_tokens SET expires_at = now() - interval '25 hours' WHERE id IN (
             SELECT id FROM refresh_tokens WHERE used_at IS NOT NULL ORDER BY used_at LIMIT 2)",
    )
    .await;
    assert_eq!(count(&world, "refresh_tokens").await, 5);
    let next = world
        .refresh(&refresh_token(&given[4]))
        .await
        .expect(200)
        .json();
    assert_eq!(count(&world, "refresh_tokens").await, 4);
    let next = world.renewed(&next).await;
    let profile = world.get("/api/v1/profile", &access(&next)).await;
    profile.expect(200);
    // The third is used, and could be presented still: that is a theft, as ever.
    world
        .refresh(&refresh_token(&given[2]))
        .await
        .refused(401, "TOKEN_REUSED");
    world
        .refresh(&refresh_token(&next))
        .await
        .refused(401, "TOKEN_REVOKED");
}
