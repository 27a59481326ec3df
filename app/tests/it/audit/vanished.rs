//! Events that somebody takes out before they are sealed: told, and no reason to seal nothing any more.

use erpgo::audit::seal::BATCH;
use erpgo::audit::verify::{Break, VerifyError};
use sqlx::{Connection as _, PgConnection};

use super::{run, sealed, superuser, verdict};
use crate::program::{Program, administrator, start};
use crate::sql::{number, scalar};
use crate::world::{ADMIN, PASSWORD, World, until};

/// So many events that wait for their seal.
async fn waiting(admin: &mut PgConnection, action: &str, count: i64) {
    let sql = format!(
        "WITH written AS (
             INSERT INTO audit_events (id, action, outcome)
             SELECT gen_random_uuid(), '{action}', 'success' FROM generate_series(1, {count})
             RETURNING seq, at)
         INSERT INTO audit_pending SELECT * FROM written"
    );
    run(admin, &sql).await.unwrap();
}

/// Only a superuser can switch the triggers off.
async fn taken_out(admin: &mut PgConnection, action: &str) {
    let sql = format!(
        "SET session_replication_role = replica; DELETE FROM audit_events WHERE action = '{action}'"
    );
    run(admin, &sql).await.unwrap();
}

const NOTES: &str = "SELECT count(*) FROM audit_pending";

#[tokio::test]
async fn r18_4_whatever_was_taken_out_what_comes_later_is_sealed_and_the_loss_is_found() {
    let world = World::new().await;
    world.admin().await;
    let before = sealed(&world).await.position;
    let mut admin = superuser(&world).await;
    // As many as are sealed at once, and one before them.
    waiting(&mut admin, "role.deleted", BATCH + 1).await;
    let first = "SELECT min(seq) FROM audit_events WHERE action = 'role.deleted'";
    let first: i64 = scalar(&mut admin, first).await;
    taken_out(&mut admin, "role.deleted").await;
    world.admin().await;
    assert_eq!(number(&world, NOTES).await, BATCH + 2);
    assert_eq!(sealed(&world).await.position, before + 1);
    // Nor does a batch that is full come to its end there.
    waiting(&mut admin, "role.changed", BATCH + 3).await;
    assert_eq!(sealed(&world).await.position, before + BATCH + 4);
    assert_eq!(number(&world, NOTES).await, BATCH + 1);
    match verdict(&world, None).await.unwrap_err() {
        VerifyError::Broken(broken) => assert_eq!(broken, Break::Vanished(first)),
        error => panic!("{error}"),
    }
}

const TOLD: &str = "events of the audit log were taken out before they were sealed";

/// Waits until the program has sealed what comes to pass now.
async fn seals(program: &Program) {
    let before = program.metric("erpgo_audit_chain_position").await;
    program.signed_in().await;
    until("the sign-in is sealed", || async {
        program.metric("erpgo_audit_chain_position").await > before
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_out_is_told_by_the_log_once_a_look_and_by_the_metric() {
    for gone in [0, 3] {
        let database = crate::world::database().await;
        administrator(&database.url(), ADMIN, PASSWORD).await;
        let mut admin = PgConnection::connect(&database.admin_url()).await.unwrap();
        waiting(&mut admin, "role.deleted", gone).await;
        taken_out(&mut admin, "role.deleted").await;
        let program = start(
            &database.url(),
            "auth: { hash_memory_kib: 8, hash_iterations: 1 }\n",
        );
        program.is_ready().await;
        // Three turns, and a look with the first of them.
        for _ in 0..3 {
            seals(&program).await;
        }
        let mut told = program.messages();
        told.retain(|line| line["message"] == TOLD);
        assert_eq!(told.len(), usize::from(gone > 0), "{told:?}");
        if let [line] = &told[..] {
            assert_eq!(
                (&line["level"], &line["count"]),
                (&"ERROR".into(), &gone.into())
            );
        }
        until("the metric has what is left", || async {
            program.metric("erpgo_audit_pending_events").await == gone
        })
        .await;
    }
}
