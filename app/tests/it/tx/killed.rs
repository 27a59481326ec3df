//! A write happens whole and once, whenever the process is killed.

use std::time::Duration;

use erpgo_test_kit::Signal;
use erpgo_test_kit::postgres::TestDatabase;

use super::wire::Wire;
use super::writes::roles::{Membership, NewRole};
use super::writes::{Change, NewApiKey, NewProduct, NewUser, NewUserOnce, Write};
use crate::program::{administrator, start};
use crate::world::{ADMIN, PASSWORD, until};

/// With one connection every request after the first finds its statements prepared: each answer of the
/// database is one statement, and all requests have the same number of them.
pub const CONFIG: &str = "
auth: { hash_memory_kib: 8, hash_iterations: 1 }
limits: { login_per_ip: 0 }
audit: { seal_every: 1h }
database: { max_connections: 1 }
";

async fn sessions_have_ended(database: &TestDatabase) {
    let pool = sqlx::PgPool::connect(&database.admin_url()).await.unwrap();
    until("the server has noticed", || async {
        sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'erpgo'",
        )
        .fetch_one(&pool)
        .await
        .unwrap()
            == 0
    })
    .await;
    pool.close().await;
}

/// Kills the process of `write` after every single answer of the database: the write is there whole or not
/// at all, and its repeat is answered accordingly. At least `before` of the answers come before the commit.
async fn killed_at_every_statement(mut write: impl Write, before: usize) {
    let database = crate::world::database().await;
    administrator(&database.url(), ADMIN, PASSWORD).await;
    let pool = sqlx::PgPool::connect(&database.url()).await.unwrap();
    let wire = Wire::to(database.address()).await;
    let url = wire.url(&database.url());
    let mut program = start(&url, CONFIG);
    program.is_ready().await;
    let (mut none, mut whole) = (0, 0);
    for n in 1.. {
        assert!(n < 60, "a write has no {n} statements");
        write.prepare(&pool, n).await;
        // A session that no process remembers: however slow the machine is, each attempt looks it up and
        // so has as many statements as the others.
        let token = program.signed_in().await;
        wire.stop_at(n);
        let place = (program.api, &*token);
        let answered = tokio::select! {
            answer = write.send(place, n) => Some(answer.unwrap()),
            () = wire.reached() => None,
        };
        if let Some(answer) = answered {
            // The request needs fewer statements than `n`: every one of them has had its turn.
            write.judge(&pool, n, &answer, false).await;
            break;
        }
        program.process.signal(Signal::KILL).unwrap();
        program.process.wait(Duration::from_secs(20)).await.unwrap();
        wire.pass();
        sessions_have_ended(&database).await;
        let effects = write.effects(&pool, n).await;
        let is_there = effects.iter().all(|effect| *effect == 1);
        let is_absent = effects.iter().all(|effect| *effect == 0);
        assert!(
            is_there || is_absent,
            "killed after answer {n}: {effects:?}"
        );
        if is_there {
            whole += 1
        } else {
            none += 1
        }
        program = start(&url, CONFIG);
        program.is_ready().await;
        for repeated in [is_there, true] {
            let answer = write.send((program.api, &*token), n).await.unwrap();
            write.judge(&pool, n, &answer, repeated).await;
            let effects = write.effects(&pool, n).await;
            assert!(
                effects.iter().all(|effect| *effect == 1),
                "{n}: {effects:?}"
            );
        }
    }
    assert!(none >= before, "{none} kills before the commit");
    assert!(whole >= 1, "no kill between the commit and the answer");
}

/// Exactly once: the repeat gets the first answer. Before the commit: BEGIN, the lock, the look-up, the
/// product, the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_once_a_write_killed_at_every_statement_has_one_effect_or_none() {
    killed_at_every_statement(NewProduct, 5).await;
}

/// The same, of an answer that is kept sealed: the user, the letter and the note of it. Before the commit: BEGIN, the
/// lock, the look-up, these and what reads the user and the key of the note, the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_once_a_user_whose_making_is_killed_at_every_statement_is_made_once() {
    killed_at_every_statement(NewUserOnce, 9).await;
}

/// The same; the API key is shown by the repeat. Before the commit: BEGIN, the lock, the look-up, the owner, how
/// many there are, what is over, the API key, the note and its key, the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_once_an_api_key_whose_making_is_killed_at_every_statement_is_made_once() {
    killed_at_every_statement(NewApiKey, 10).await;
}

/// The same. Before the commit: BEGIN, the lock, the look-up, the role and what reads it, the note and its key, the
/// answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_once_a_role_whose_making_is_killed_at_every_statement_is_made_once() {
    killed_at_every_statement(NewRole, 8).await;
}

/// The same. Before the commit: BEGIN, the lock, the look-up, the role, what is given, the user's epoch, the note
/// and its key, the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_once_a_role_whose_giving_is_killed_at_every_statement_is_given_once() {
    killed_at_every_statement(Membership::assign(), 9).await;
}

/// The same. Before the commit: BEGIN, the lock, the look-up, the role, the user, what is taken, the user's epoch,
/// the note and its key, the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_once_a_role_whose_taking_is_killed_at_every_statement_is_taken_once() {
    killed_at_every_statement(Membership::remove(), 10).await;
}

/// p07, r04_4: the user, the letter and the note of it. Before the commit: BEGIN and these, at the least.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_whose_making_is_killed_at_every_statement_is_there_whole_or_not_at_all() {
    killed_at_every_statement(NewUser, 4).await;
}

/// p07, r04_4: the repeat changes nothing that was changed. Before the commit: BEGIN, the lock, the change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_killed_at_every_statement_is_made_once_or_not_at_all() {
    killed_at_every_statement(Change::default(), 3).await;
}
