//! The database's credentials: two roles take turns, and no request notices.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use erpgo::secrets::{Acks, Source, Watched, watch};
use erpgo_secret_set::KeyName::{Database, Jwt};
use erpgo_secret_set::{Generation, Verdict};
use erpgo_test_kit::proxy;
use sqlx::Connection as _;
use tokio_util::sync::CancellationToken;

use super::pod::{Pod, fresh, promote, retire, stage, two_roles, url, user, write};
use crate::locks::waits_for_locks;
use crate::sql::sql;
use crate::world::{ADMIN, SETTINGS, World, access, document, until};

async fn admin(pod: &Pod) -> sqlx::PgConnection {
    sqlx::PgConnection::connect(&pod.world.database.admin_url())
        .await
        .unwrap()
}

async fn run(pod: &Pod, text: String) {
    sql(&mut admin(pod).await, &text).await;
}

/// How many connections of its pool the app has as `role`.
async fn connections(pod: &Pod, role: &str) -> i64 {
    connections_named(pod, role, "erpgo").await
}

async fn connections_named(pod: &Pod, role: &str, application: &str) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND usename = $1 AND application_name = $2",
    )
    .bind(role)
    .bind(application)
    .fetch_one(&mut admin(pod).await)
    .await
    .unwrap()
}

/// What is closed takes the server a moment to forget.
async fn none_is_left(pod: &Pod, role: &str, what: &str) {
    until(what, || async { connections(pod, role).await == 0 }).await;
}

/// A pod that connects as the first of two roles.
async fn pod() -> (Pod, [String; 2]) {
    let database = crate::world::database().await;
    let urls = two_roles(&database).await;
    let first = document(&urls[0], None);
    (Pod::on(database, first).await, urls)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_staged_credentials_are_accepted_only_when_they_connect_and_may_work() {
    let (pod, urls) = pod().await;
    pod.hears("the first set", |_| true).await;
    let role = user(&urls[1]);
    run(
        &pod,
        format!("ALTER ROLE {role} PASSWORD 'canary-of-another-day'"),
    )
    .await;
    let reason = pod
        .refusal(|keys| stage(keys, Database, url("database-2", &urls[1])))
        .await;
    assert_eq!(
        reason,
        "database (next): the database refuses this role or its password"
    );
    assert_eq!(pod.generation(), Generation(1), "the old set stays");
    pod.world.signed_in(ADMIN).await;

    // The same generation is tried again: nobody has to write it once more.
    run(&pod, format!("ALTER ROLE {role} PASSWORD '{role}'")).await;
    let said = pod
        .hears("the same generation does now", |said| {
            said.reasons.is_empty() && said.generation == Generation(2)
        })
        .await;
    assert!(said.accepts("database-2") && said.uses(Database) == "database-1");
    none_is_left(&pod, &role, "the proof is given back").await;

    let stranger = pod.world.database.role().await;
    let reason = pod
        .refusal(|keys| stage(keys, Database, url("database-3", &stranger)))
        .await;
    assert_eq!(
        reason,
        "database (next): the role may not use the tables; make it a member of the role that owns them"
    );
    assert_eq!(pod.generation(), Generation(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_starts_in_the_middle_proves_what_is_staged_before_it_acknowledges() {
    let database = crate::world::database().await;
    let urls = two_roles(&database).await;
    let mut first = document(&urls[0], None);
    let wrong = urls[1].replacen(":test_", ":wrong_", 1);
    assert_ne!(wrong, urls[1]);
    stage(&mut first.keys, Database, url("database-2", &wrong));
    let pod = Pod::on(database, first).await;
    let said = pod.hears("a first word", |_| true).await;
    assert_eq!(said.reasons.len(), 1, "{said:?}");
    // It serves all the same: what is current works.
    pod.world.signed_in(ADMIN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_the_old_role_drains_behind_the_last_request_that_holds_it() {
    let (pod, urls) = pod().await;
    let signed_in = pod.world.signed_in(ADMIN).await;
    let token = access(&signed_in);
    pod.turn(|keys| stage(keys, Database, url("database-2", &urls[1])))
        .await;
    let mut lock = admin(&pod).await;
    let mut held = lock.begin().await.unwrap();
    sqlx::query("LOCK TABLE refresh_tokens IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *held)
        .await
        .unwrap();
    let request = pod
        .world
        .refresh(signed_in["refresh_token"].as_str().unwrap());
    let turn = async {
        waits_for_locks(&pod.world.database, 1).await;
        let said = pod.turn(|keys| promote(keys, Database)).await;
        assert_eq!(said.uses(Database), "database-2");
        assert!(said.drains("database-1"), "{said:?}");
        pod.world.get("/api/v1/profile", &token).await.expect(200);
        // All but the one that is held are gone, so both pools together stay under the ceiling.
        let old = user(&urls[0]);
        until("idle connections have gone", || async {
            connections(&pod, &old).await == 1
        })
        .await;
        held.rollback().await.unwrap();
    };
    let (answer, ()) = tokio::join!(request, turn);
    answer.expect(200);
    let said = pod
        .hears("the old role is free", |said| said.draining.is_empty())
        .await;
    assert_eq!(said.uses(Database), "database-2");
    none_is_left(&pod, &user(&urls[0]), "the old role's are closed").await;
    pod.turn(|keys| retire(keys, Database)).await;
    pod.world.signed_in(ADMIN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_two_roles_take_turns_and_more_wait_than_the_pool_has() {
    let (pod, urls) = pod().await;
    let token = pod.world.admin().await;
    let (running, answered) = (AtomicBool::new(true), AtomicUsize::new(0));
    // Four connections, twelve askers: eight of them wait in the pool that is let go of.
    let asker = || async {
        while running.load(Ordering::Relaxed) {
            pod.world.get("/api/v1/profile", &token).await.expect(200);
            answered.fetch_add(1, Ordering::Relaxed);
        }
    };
    let askers = futures::future::join_all((0..12).map(|_| asker()));
    let turns = async {
        for turn in 2..6 {
            let kid = format!("database-{turn}");
            let next = url(&kid, &urls[(turn + 1) % 2]);
            pod.turn(|keys| stage(keys, Database, next)).await;
            pod.turn(|keys| promote(keys, Database)).await;
            pod.turn(|keys| retire(keys, Database)).await;
            let free = |said: &super::pod::Said| said.draining.is_empty();
            let said = pod.hears("the old role is free", free).await;
            assert_eq!(said.uses(Database), kid);
        }
        running.store(false, Ordering::Relaxed);
    };
    tokio::join!(askers, turns);
    assert!(answered.load(Ordering::Relaxed) > 50, "{answered:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i10_a_database_that_is_away_when_the_role_turns_leaves_the_old_set_in_use() {
    let database = crate::world::database().await;
    let urls = two_roles(&database).await;
    let wire = proxy::tcp(database.address()).await;
    let pod = Pod::on(database, document(&wire.url(&urls[0]), None)).await;
    pod.turn(|keys| stage(keys, Database, url("database-2", &wire.url(&urls[1]))))
        .await;
    wire.cut();
    let reason = pod.refusal(|keys| promote(keys, Database)).await;
    assert_eq!(reason, "database (current): the database does not answer");
    assert_eq!(pod.generation(), Generation(2));
    wire.resume();
    let said = pod
        .hears("the turn, once the database is back", |said| {
            said.generation == Generation(3) && said.reasons.is_empty()
        })
        .await;
    assert_eq!(said.uses(Database), "database-2");
    pod.world.signed_in(ADMIN).await;

    // What was proved needs the database no more: another key rotates while it is away.
    wire.cut();
    pod.turn(|keys| stage(keys, Jwt, fresh("jwt-2"))).await;
    pod.turn(|keys| promote(keys, Jwt)).await;
}

/// Ten looks a second cost next to nothing, and a generation is in use within half a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generation_is_adopted_within_half_a_second_and_the_wait_for_it_is_cheap() {
    let world = World::with(SETTINGS, None).await;
    let directory = tempfile::tempdir().unwrap();
    let first = document(&world.database.url(), None);
    write(directory.path(), &first);
    let (acks, stop) = (Acks::new(), CancellationToken::new());
    let source = Source::Directory(directory.path().to_owned());
    let watched = Watched {
        source,
        keyring: world.state.keyring.clone(),
        database: world.state.database.clone(),
        redis: world.state.redis.clone(),
        settings: world.state.settings.database.clone(),
        acks: acks.clone(),
    };
    tokio::spawn(watch(watched, stop.clone()));
    let says = |generation| {
        let acks = acks.clone();
        move || {
            let last = acks.last();
            async move {
                last.is_some_and(|ack| {
                    ack.generation == Generation(generation)
                        && matches!(ack.verdict, Verdict::Ack { .. })
                })
            }
        }
    };
    until("the first", says(1)).await;
    let mut fastest = Duration::MAX;
    for generation in 2..8 {
        let mut next = document(&world.database.url(), None);
        next.generation = Generation(generation);
        let begun = std::time::Instant::now();
        write(directory.path(), &next);
        until("the next", says(generation)).await;
        fastest = fastest.min(begun.elapsed());
    }
    // The best of six: a busy machine makes any one of them late.
    assert!(fastest < Duration::from_millis(500), "{fastest:?}");
    stop.cancel();
}

/// How many connections of the app as `role` listen.
async fn ears(pod: &Pod, role: &str) -> i64 {
    connections_named(pod, role, "erpgo-ear").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_the_connection_that_listens_turns_with_the_others() {
    let (pod, urls) = pod().await;
    let _ear = crate::world::hearing(&pod.world.state).await;
    assert_eq!(ears(&pod, &user(&urls[0])).await, 1);
    pod.turn(|keys| stage(keys, Database, url("database-2", &urls[1])))
        .await;
    pod.turn(|keys| promote(keys, Database)).await;
    pod.hears("the old role is free", |said| said.draining.is_empty())
        .await;
    // What is closed takes the server a moment to forget.
    until("nobody listens as the old role", || async {
        ears(&pod, &user(&urls[0])).await == 0
    })
    .await;
    until("the new role listens", || async {
        pod.world.state.sessions.hears()
    })
    .await;
    until("by one connection", || async {
        ears(&pod, &user(&urls[1])).await == 1
    })
    .await;
}
