//! Refreshes that meet a deadlock, or nothing but deadlocks.

use std::sync::{Arc, LazyLock};

use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

use crate::locks::waits_for_locks;
use crate::log::LOG;
use crate::sql::{number, sql};
use crate::world::{
    ADMIN, Answer, SETTINGS, World, database, document, refresh_token, set, shared,
};

/// Long enough for the adversary to ask for the session before PostgreSQL looks, once, for a deadlock.
const LOOK: &str = "8s";

async fn world(yaml: &str) -> Arc<World> {
    let database = database().await;
    let mut admin = PgConnection::connect(&database.admin_url()).await.unwrap();
    let name = database.name();
    let slow = format!("ALTER DATABASE {name} SET deadlock_timeout = '{LOOK}'");
    sql(&mut admin, &slow).await;
    let document = document(&database.url(), None);
    shared(World::on(database, set(document), yaml).await)
}

/// Without grace, so that a second use is one at once.
fn strict() -> String {
    SETTINGS.replace(
        "hash_concurrency: 2",
        "hash_concurrency: 2, refresh_grace: 0s",
    )
}

/// The answer to a refresh that holds its session and wants what `held` locks, while whoever holds that wants
/// the session: the refresh is the victim.
async fn in_a_deadlock(world: &Arc<World>, held: &str, token: String) -> Answer {
    let url = world.database.admin_url();
    let mut adversary = PgConnection::connect(&url).await.unwrap();
    sql(&mut adversary, "SET deadlock_timeout = '60s'").await;
    sql(&mut adversary, &format!("BEGIN; {held} FOR UPDATE")).await;
    let refresh = {
        let world = Arc::clone(world);
        tokio::spawn(async move { world.refresh(&token).await })
    };
    waits_for_locks(&world.database, 1).await;
    // What it gets while it still holds the other is what the refresh gave up.
    sql(&mut adversary, "SELECT 1 FROM sessions FOR UPDATE").await;
    assert!(!refresh.is_finished());
    sql(&mut adversary, "COMMIT").await;
    refresh.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p08_an_exchange_that_meets_a_deadlock_is_made_once() {
    let world = world(SETTINGS).await;
    let first = refresh_token(&world.signed_in(ADMIN).await);
    let held = "SELECT 1 FROM refresh_tokens";
    let next = in_a_deadlock(&world, held, first).await.expect(200).json();
    let kept = "SELECT count(*) FROM refresh_tokens";
    assert_eq!(number(&world, kept).await, 2);
    let successors = "SELECT count(*) FROM refresh_tokens WHERE parent_id IS NOT NULL";
    assert_eq!(number(&world, successors).await, 1);
    world.refresh(&refresh_token(&next)).await.expect(200);
}

const ENDED: &str =
    "SELECT count(*) FROM sessions WHERE revoked_at IS NOT NULL AND revoked_reason = 'reuse'";
const TOLD: &str = "SELECT count(*) FROM audit_events WHERE action = 'auth.refresh_reused'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p08_a_reuse_that_meets_a_deadlock_ends_the_session_and_is_noted_once() {
    let world = world(&strict()).await;
    let first = refresh_token(&world.signed_in(ADMIN).await);
    let second = refresh_token(&world.refresh(&first).await.expect(200).json());
    let answer = in_a_deadlock(&world, "SELECT 1 FROM users", first).await;
    answer.refused(401, "TOKEN_REUSED");
    assert_eq!(number(&world, ENDED).await, 1);
    assert_eq!(number(&world, TOLD).await, 1);
    world.refresh(&second).await.refused(401, "TOKEN_REVOKED");
}

const OBSTACLE: &str = "
    CREATE FUNCTION obstacle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01';
    END $$;
    CREATE TRIGGER obstacle BEFORE UPDATE OF revoked_at ON sessions
        FOR EACH ROW EXECUTE FUNCTION obstacle();";

/// Messages of the log about this session's reuse.
fn logged(session: &str) -> Vec<Value> {
    let mut lines = LOG.lines_with(session);
    lines.retain(|line| {
        let message = line["message"].as_str().unwrap_or_default();
        message.starts_with("a refresh token was used twice")
    });
    lines
}

#[tokio::test]
async fn a_reuse_whose_session_cannot_be_ended_is_told_in_the_log_once() {
    LazyLock::force(&LOG);
    let world = World::with(&strict(), None).await;
    let first = refresh_token(&world.signed_in(ADMIN).await);
    world.refresh(&first).await.expect(200);
    let pool = world.state.database.pool();
    let (session, user): (String, String) =
        sqlx::query_as("SELECT id::text, user_id::text FROM sessions")
            .fetch_one(&pool)
            .await
            .unwrap();
    let mut connection = PgConnection::connect(&world.database.url()).await.unwrap();
    sql(&mut connection, OBSTACLE).await;
    let answer = world.refresh(&first).await;
    answer.refused(503, "SERVICE_UNAVAILABLE");
    assert_eq!(number(&world, ENDED).await, 0);
    let lines = logged(&session);
    let [line] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["user_id"], *user);
    let message = line["message"].as_str().unwrap();
    assert!(message.ends_with("could not be ended"), "{message}");

    sql(&mut connection, "DROP TRIGGER obstacle ON sessions").await;
    world.refresh(&first).await.refused(401, "TOKEN_REUSED");
    assert_eq!(logged(&session).len(), 2);
    assert_eq!(number(&world, ENDED).await, 1);
}
