//! From the outbox to the server: tries, deadlines, the breaker, several processes.

use std::collections::HashSet;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::sink::{Mood, Sink, auth};
use super::{Post, sending, settings, waiting};
use crate::log::LOG;
use crate::sql::{execute, number};
use crate::world::{ADMIN, SETTINGS, World, until};

async fn failed(world: &World) -> i64 {
    number(
        world,
        "SELECT count(*) FROM outbox WHERE failed_at IS NOT NULL",
    )
    .await
}

/// Waits until the one mail that there is was given up.
pub async fn given_up(world: &World) {
    until("the mail is given up", || async {
        failed(world).await == 1
    })
    .await;
}

fn data(sink: &Sink) -> usize {
    let commands = sink.commands();
    commands.iter().filter(|line| *line == "DATA").count()
}

/// The Message-IDs of `mails`, each once.
fn ids(mails: &[String]) -> HashSet<&str> {
    let id = |line: &&str| line.starts_with("Message-ID:");
    mails
        .iter()
        .map(|mail| mail.lines().find(id).unwrap())
        .collect()
}

/// Puts `count` mails to the administrator into the outbox: other kinds of one address do not merge.
async fn fill(world: &World, count: i32) {
    sqlx::query(
        "INSERT INTO outbox (id, kind, user_id, address, facts, created_at, expires_at, next_attempt_at)
         SELECT gen_random_uuid(), 'password_changed', u.id, 'm' || n || '@example.org',
                '{\"kind\": \"password_changed\"}', now(), now() + interval '1 day', now()
         FROM users u, generate_series(1, $1) n WHERE u.email = $2",
    )
    .bind(count)
    .bind(ADMIN)
    .execute(&world.state.database.pool())
    .await
    .unwrap();
}

#[tokio::test]
async fn a_mail_is_tried_three_times_and_then_given_up() {
    let post = Post::new(Mood::NotNow).await;
    post.world.forgot(ADMIN).await.expect(202);
    given_up(&post.world).await;
    assert_eq!(data(&post.sink), 3);
    // A token that was not delivered opens nothing.
    let tokens = "SELECT count(*) FROM email_tokens";
    assert_eq!(number(&post.world, tokens).await, 0);
}

#[tokio::test]
async fn a_mail_arrives_once_the_server_is_willing() {
    let post = Post::new(Mood::NotNow).await;
    post.world.forgot(ADMIN).await.expect(202);
    until("it was tried", || async { data(&post.sink) >= 1 }).await;
    post.sink.becomes(Mood::Takes);
    post.sink.mail(1).await;
    post.nothing_waits().await;
    assert_eq!(post.sink.mails().len(), 1);
    assert_eq!(failed(&post.world).await, 0);
}

#[tokio::test]
async fn a_mail_that_is_refused_for_good_is_not_tried_again() {
    let post = Post::new(Mood::Never).await;
    post.world.forgot(ADMIN).await.expect(202);
    given_up(&post.world).await;
    let rcpt = post.sink.commands();
    assert_eq!(
        rcpt.iter().filter(|line| line.starts_with("RCPT")).count(),
        1
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_at_the_deadline() {
    let sink = Sink::new(Mood::Hangs).await;
    let yaml = settings(sink.port).replace("timeout: 60s", "timeout: 1s");
    let world = World::with(&yaml, None).await;
    world.forgot(ADMIN).await.expect(202);
    let _sending = sending(&world);
    until("the try has ended", || async {
        let attempts: Option<i16> =
            sqlx::query_scalar("SELECT attempts FROM outbox WHERE leased_until IS NULL")
                .fetch_optional(&world.state.database.pool())
                .await
                .unwrap();
        attempts >= Some(1)
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_away_is_left_alone_and_its_mails_are_not_used_up() {
    let sink = Sink::new(Mood::NotNow).await;
    // A second of rest: long enough to see it.
    let yaml = settings(sink.port).replace("retry_after: 20ms", "retry_after: 1s");
    let world = World::with(&yaml, None).await;
    fill(&world, 40).await;
    let _sending = sending(&world);
    until("the breaker opens", || async { data(&sink) >= 5 }).await;
    let seen = data(&sink);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(data(&sink) <= seen + 1, "{seen} {}", data(&sink));
    sink.becomes(Mood::Takes);
    until("all mails arrive", || async { sink.mails().len() == 40 }).await;
    assert_eq!(failed(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_send_each_mail_once() {
    let mut post = Post::new(Mood::Takes).await;
    post.stop();
    fill(&post.world, 60).await;
    let yaml = settings(post.sink.port);
    let (one, _, _one) = post.world.twin(&yaml);
    let (two, _, _two) = post.world.twin(&yaml);
    let stop = CancellationToken::new();
    for state in [one, two, post.world.state.clone()] {
        tokio::spawn(erpgo::mail::run(state, stop.clone()));
    }
    let _sending = stop.drop_guard();
    post.nothing_waits().await;
    let mails = post.sink.mails();
    assert_eq!((mails.len(), ids(&mails).len()), (60, 60));
}

#[tokio::test]
async fn a_mail_in_the_hands_of_a_process_that_died_is_sent_by_another() {
    let mut post = Post::new(Mood::Takes).await;
    post.stop();
    fill(&post.world, 1).await;
    execute(
        &post.world,
        "UPDATE outbox SET attempts = 1, leased_until = now() + interval '1 hour'",
    )
    .await;
    post.start();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(post.sink.mails().len(), 0, "somebody else has it in hand");
    execute(
        &post.world,
        "UPDATE outbox SET leased_until = now() - interval '1 second'",
    )
    .await;
    post.sink.mail(1).await;
    post.nothing_waits().await;
}

/// Of the version that pods are being replaced by.
const NEWER: &str = "kind_of_the_next_version";

/// Puts a mail of that version into the outbox, which is due before any other, as its migration and its pods do.
async fn write_newer(world: &World) {
    let constraint = "ALTER TABLE outbox DROP CONSTRAINT outbox_kind_check";
    execute(world, constraint).await;
    sqlx::query(
        "INSERT INTO outbox (id, kind, user_id, address, facts, created_at, expires_at, next_attempt_at)
         SELECT gen_random_uuid(), $1::text, id, email, jsonb_build_object('kind', $1::text),
                now(), now() + interval '1 day', now() - interval '1 minute'
         FROM users WHERE email = $2",
    )
    .bind(NEWER)
    .bind(ADMIN)
    .execute(&world.state.database.pool())
    .await
    .unwrap();
}

#[tokio::test]
async fn a_mail_of_a_kind_that_only_a_newer_version_knows_is_left_to_it_and_others_are_sent() {
    std::sync::LazyLock::force(&LOG);
    let mut post = Post::new(Mood::Takes).await;
    post.stop();
    write_newer(&post.world).await;
    post.start();
    for count in [1, 2] {
        post.world.forgot(ADMIN).await.expect(202);
        let mail = post.sink.mail(count).await;
        assert!(mail.contains("Subject: Set a new password"), "{mail}");
    }
    until("the newer one alone waits", || async {
        post.waiting().await == 1
    })
    .await;
    let untouched =
        "SELECT attempts, leased_until IS NULL, failed_at IS NULL FROM outbox WHERE kind = $1";
    let untouched: (i16, bool, bool) = sqlx::query_as(untouched)
        .bind(NEWER)
        .fetch_one(&post.world.state.database.pool())
        .await
        .unwrap();
    assert_eq!(untouched, (0, true, true));
    let mut told = LOG.lines_with(NEWER);
    told.retain(|line| line["level"] == "WARN" || line["level"] == "ERROR");
    assert!(told.is_empty(), "{told:?}");
}

/// Two mails: a server that keeps each Message-ID once must not take one for the other.
#[tokio::test]
async fn what_is_written_while_one_of_its_kind_is_being_sent_is_sent_after_it() {
    let sink = Sink::new(Mood::Holds).await;
    let world = World::with(&settings(sink.port), None).await;
    world.forgot(ADMIN).await;
    let _sending = sending(&world);
    until("it is being sent", || async { data(&sink) == 1 }).await;
    world.forgot(ADMIN).await;
    assert_eq!(waiting(&world).await, 1);
    sink.becomes(Mood::Takes);
    sink.mail(2).await;
    until("nothing waits", || async { waiting(&world).await == 0 }).await;
    let mails = sink.mails();
    assert_eq!((mails.len(), ids(&mails).len()), (2, 2));
    assert_ne!(super::sink::code(&mails[0]), super::sink::code(&mails[1]));
}

#[tokio::test]
async fn without_a_server_mails_wait_and_the_log_and_a_metric_say_so() {
    std::sync::LazyLock::force(&LOG);
    let world = World::with(SETTINGS, None).await;
    world.forgot(ADMIN).await.expect(202);
    let _sending = sending(&world);
    until("the log says so", || async {
        LOG.has("mails wait: set mail.smtp_url")
    })
    .await;
    assert_eq!(waiting(&world).await, 1);
    let text = String::from_utf8(erpgo::metrics::encode().unwrap()).unwrap();
    assert!(text.contains("erpgo_mails_waiting"), "{text}");
}

#[tokio::test]
async fn a_full_outbox_takes_no_more_and_what_has_expired_is_swept() {
    let world = World::new().await;
    fill(&world, 10_000).await;
    world.forgot(ADMIN).await.expect(202);
    assert_eq!(waiting(&world).await, 10_000);
    execute(
        &world,
        "UPDATE outbox SET expires_at = now() WHERE address <> 'm1@example.org'",
    )
    .await;
    for left in [9_000, 8_000] {
        let sending = sending(&world);
        until("a part is swept", || async {
            waiting(&world).await <= left
        })
        .await;
        drop(sending);
    }
}

#[tokio::test]
async fn i04_credentials_come_from_files_and_reach_the_server_alone() {
    std::sync::LazyLock::force(&LOG);
    let directory = tempfile::tempdir().unwrap();
    let secret = "canary-9fT2-smtp-password";
    std::fs::write(directory.path().join("username"), "erp\n").unwrap();
    std::fs::write(directory.path().join("password"), format!("{secret}\n")).unwrap();
    let sink = Sink::new(Mood::Takes).await;
    let place = format!(
        "credentials_dir: {}, retry_after",
        directory.path().display()
    );
    let yaml = settings(sink.port).replace("retry_after", &place);
    let world = World::with(&yaml, None).await;
    world.forgot(ADMIN).await.expect(202);
    let _sending = sending(&world);
    let code = super::sink::code(&sink.mail(1).await);
    assert_eq!(auth(&sink.commands()).unwrap(), format!("|erp|{secret}"));
    until("it is logged", || async { LOG.has("a mail was sent") }).await;
    let log = LOG.text();
    assert!(!log.contains(secret) && !log.contains(&code));
}

#[tokio::test]
async fn nothing_is_said_in_clear_where_tls_is_asked_for() {
    let sink = Sink::new(Mood::Takes).await;
    let yaml = settings(sink.port).replace("?tls=none", "");
    let world = World::with(&yaml, None).await;
    world.forgot(ADMIN).await.expect(202);
    let _sending = sending(&world);
    given_up(&world).await;
    let said = sink.commands().join("\n");
    assert!(
        said.contains("EHLO") && !said.contains("MAIL") && !said.contains("RCPT"),
        "{said}"
    );
}
