//! The chain: whole under load, and broken by whoever touches it.

use std::sync::Arc;

use erpgo::audit::seal::{Sealed, seal};
use erpgo::audit::verify::{Break, VerifyError};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinSet;

use super::{run, sealed, superuser, verdict};
use crate::world::{ADMIN, DEV_SECRETS, World};

fn broken(verdict: Result<impl std::fmt::Debug, VerifyError>) -> Break {
    match verdict.unwrap_err() {
        VerifyError::Broken(broken) => broken,
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn r18_4_an_untouched_log_is_whole_with_and_without_an_anchor() {
    let world = World::new().await;
    world.user("kim@example.org", &["users.read"]).await;
    let anchor = sealed(&world).await;
    world.admin().await;
    let whole = verdict(&world, Some(anchor)).await.unwrap();
    assert_eq!((whole.head, whole.pending), (anchor, 1));
    assert_eq!(whole.links, u64::try_from(anchor.position).unwrap());
    let later = sealed(&world).await;
    assert_eq!(later.position, anchor.position + 1);
    let whole = verdict(&world, Some(anchor)).await.unwrap();
    assert_eq!((whole.head, whole.pending), (later, 0));
}

#[tokio::test]
async fn r18_4_what_a_superuser_does_to_it_is_found_and_named() {
    let ways = [
        (
            // The first that anybody is the actor of.
            "UPDATE audit_events SET actor = NULL, subject = NULL, sealed = NULL WHERE seq = 4",
            "event 4, sealed at position 4, was changed after it was sealed",
        ),
        (
            "DELETE FROM audit_events WHERE seq = 2",
            "event 2, sealed at position 2, is missing and less than a year old",
        ),
        (
            "DELETE FROM audit_chain WHERE position = 2",
            "the link at position 2 is missing",
        ),
        (
            "UPDATE audit_chain SET hash = sha256('x') WHERE position = 2",
            "the link at position 2 does not follow from the one before it",
        ),
        (
            "INSERT INTO audit_events (id, action, outcome) VALUES (gen_random_uuid(), 'role.created', 'success')",
            "was never sealed and does not wait for it",
        ),
        (
            "DELETE FROM audit_chain WHERE position > 2; DELETE FROM audit_events WHERE seq > 2",
            "its tail was cut off",
        ),
        ("TRUNCATE audit_events, audit_chain", "its tail was cut off"),
        (
            "INSERT INTO audit_cuts (position, hash, until) SELECT position, hash, now() FROM audit_chain WHERE position = 2;
             DELETE FROM audit_chain WHERE position <= 2",
            "were dropped though they are less than a year old",
        ),
    ];
    for (way, expected) in ways {
        let world = World::new().await;
        world.user("kim@example.org", &["users.read"]).await;
        let anchor = sealed(&world).await;
        let mut admin = superuser(&world).await;
        // Only a superuser can switch the triggers off.
        run(&mut admin, "SET session_replication_role = replica")
            .await
            .unwrap();
        run(&mut admin, way).await.unwrap();
        let found = broken(verdict(&world, Some(anchor)).await);
        assert!(found.to_string().contains(expected), "{way}: {found}");
    }
}

#[tokio::test]
async fn an_event_that_is_taken_out_before_its_seal_is_missed() {
    let world = World::new().await;
    world.admin().await;
    sealed(&world).await;
    world.admin().await;
    let mut admin = superuser(&world).await;
    run(&mut admin, "SET session_replication_role = replica")
        .await
        .unwrap();
    let gone = run(
        &mut admin,
        "DELETE FROM audit_events WHERE seq = (SELECT max(seq) FROM audit_events)",
    );
    assert_eq!(gone.await.unwrap(), 1);
    // The sealer goes on with what is there, and does not hide what is not.
    world.admin().await;
    sealed(&world).await;
    assert!(matches!(
        broken(verdict(&world, None).await),
        Break::Vanished(_)
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_and_sealers_make_one_whole_chain() {
    let world = Arc::new(World::new().await);
    let admin = world.admin().await;
    let mut tasks = JoinSet::new();
    for writer in 0..8 {
        let (world, admin) = (Arc::clone(&world), admin.clone());
        tasks.spawn(async move {
            for number in 0..6 {
                let role = json!({"name": format!("role {writer} {number}"), "permissions": []});
                world.post("/api/v1/roles", &admin, role).await.expect(201);
            }
        });
    }
    for _ in 0..3 {
        let world = Arc::clone(&world);
        tasks.spawn(async move {
            for _ in 0..10 {
                seal(&world.state.database).await.unwrap();
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    sealed(&world).await;
    let whole = verdict(&world, None).await.unwrap();
    let events: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_events")
        .fetch_one(&mut superuser(&world).await)
        .await
        .unwrap();
    assert_eq!(
        (i64::try_from(whole.links).unwrap(), whole.pending),
        (events, 0)
    );
    assert!(events >= 48);
}

#[tokio::test]
async fn a_writer_in_a_long_transaction_makes_nobody_wait_and_is_sealed_later() {
    let world = World::new().await;
    world.admin().await;
    let mut slow = PgConnection::connect(&world.database.url()).await.unwrap();
    let mut tx = slow.begin().await.unwrap();
    let origin = erpgo::extract::Origin::program();
    let event = erpgo::audit::Event::of(erpgo::audit::Action::Unlocked, &origin).without_personal();
    erpgo::audit::record(&mut tx, &event).await.unwrap();
    // Later events overtake it, and are sealed.
    world.login(ADMIN, crate::world::PASSWORD).await.expect(200);
    let head = sealed(&world).await;
    assert!(verdict(&world, Some(head)).await.is_ok());
    tx.commit().await.unwrap();
    assert_eq!(sealed(&world).await.position, head.position + 1);
    let whole = verdict(&world, Some(head)).await.unwrap();
    assert_eq!(whole.pending, 0);
}

#[tokio::test]
async fn one_process_seals_at_a_time() {
    let world = World::new().await;
    world.admin().await;
    let mut other = superuser(&world).await;
    let mut tx = other.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(0x6572_7067_6f61_7564_i64)
        .execute(&mut *tx)
        .await
        .unwrap();
    assert_eq!(
        seal(&world.state.database).await.unwrap(),
        Sealed::Elsewhere
    );
    tx.rollback().await.unwrap();
    assert!(matches!(
        seal(&world.state.database).await.unwrap(),
        Sealed::Events(1.., _)
    ));
}

#[tokio::test]
async fn the_key_of_a_person_can_go_and_every_proof_stays() {
    let world = World::new().await;
    let (kim, _) = world.user("kim@example.org", &[]).await;
    let anchor = sealed(&world).await;
    let of_kim = |events: Vec<serde_json::Value>| {
        events
            .into_iter()
            .find(|event| event["action"] == "auth.signed_in" && event["actor"] == kim.as_str())
            .unwrap()
    };
    let before = of_kim(super::events(&world, "action=auth.signed_in").await);
    assert_eq!(
        (&before["personal"]["ip"], &before["erased"]),
        (&json!("127.0.0.1"), &json!(false))
    );
    let admin = world.admin().await;
    world
        .delete(&format!("/api/v1/users/{kim}"), &admin)
        .await
        .expect(204);
    let after = of_kim(super::events(&world, "action=auth.signed_in").await);
    assert_eq!(
        (&after["personal"], &after["erased"]),
        (&json!(null), &json!(true))
    );
    assert_eq!(after["actor"], kim.as_str());
    sealed(&world).await;
    verdict(&world, Some(anchor)).await.unwrap();
}

/// Exit code and both outputs of `erpgo audit verify` on this database.
async fn program(url: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_erpgo"))
        .args(["audit", "verify"])
        .args(arguments)
        .env_clear()
        .envs(DEV_SECRETS)
        .env("DATABASE_URL", url)
        .output();
    let output = output.await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[tokio::test]
async fn r18_4_the_program_says_by_its_exit_whether_the_log_is_whole_and_where_it_is_not() {
    let world = World::new().await;
    world.user("kim@example.org", &["users.read"]).await;
    let head = sealed(&world).await;
    world.admin().await;
    let (url, anchor) = (world.database.url(), head.to_string());
    for arguments in [&[][..], &["--anchor", &anchor]] {
        let (code, said, complaint) = program(&url, arguments).await;
        assert_eq!(code, Some(0), "{complaint}");
        let links = head.position;
        let expected = format!("whole: {links} links, 1 events wait for their seal, head {anchor}");
        assert!(said.contains(&expected), "{said}");
        assert_eq!(complaint, "");
    }

    let mut admin = superuser(&world).await;
    let change = "SET session_replication_role = replica;
                  UPDATE audit_events SET outcome = 'refused' WHERE seq = 2";
    run(&mut admin, change).await.unwrap();
    for arguments in [&[][..], &["--anchor", &anchor]] {
        let (code, said, complaint) = program(&url, arguments).await;
        assert_eq!((code, &*said), (Some(1), ""), "{complaint}");
        let expected = "event 2, sealed at position 2, was changed after it was sealed";
        assert!(complaint.contains(expected), "{complaint}");
    }
}

#[tokio::test]
async fn r18_4_the_program_finds_with_an_anchor_alone_that_the_tail_was_cut_off() {
    let world = World::new().await;
    world.user("kim@example.org", &["users.read"]).await;
    let (url, anchor) = (world.database.url(), sealed(&world).await.to_string());
    let mut admin = superuser(&world).await;
    let cut = "SET session_replication_role = replica;
               DELETE FROM audit_chain WHERE position > 2; DELETE FROM audit_events WHERE seq > 2";
    run(&mut admin, cut).await.unwrap();
    let (code, said, complaint) = program(&url, &[]).await;
    assert_eq!(code, Some(0), "{complaint}");
    assert!(said.contains("whole: 2 links"), "{said}");
    let (code, said, complaint) = program(&url, &["--anchor", &anchor]).await;
    assert_eq!((code, &*said), (Some(1), ""), "{complaint}");
    assert!(complaint.contains("its tail was cut off"), "{complaint}");
    // What is no anchor is no verdict either.
    let (code, said, complaint) = program(&url, &["--anchor", "17:abcd"]).await;
    assert_eq!((code, &*said), (Some(2), ""), "{complaint}");
    assert!(complaint.contains("64 hex digits"), "{complaint}");
}
