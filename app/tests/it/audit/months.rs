//! Months: made ahead, dropped after a year.

use erpgo::audit::keep::{prepare, retire};
use erpgo::audit::verify::verify;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{events, run, sealed, superuser, verdict};
use crate::world::World;

async fn months(connection: &mut PgConnection, parent: &str) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = $1::regclass ORDER BY 1",
    )
    .bind(parent)
    .fetch_all(connection)
    .await
    .unwrap()
}

#[tokio::test]
async fn months_are_made_ahead_once_and_each_is_guarded() {
    let world = World::new().await;
    let mut admin = superuser(&world).await;
    assert_eq!(months(&mut admin, "audit_events").await.len(), 4);
    assert_eq!(prepare(&world.state.database).await.unwrap(), 0);
    run(&mut admin, "SELECT audit_prepare(5)").await.unwrap();
    for month in months(&mut admin, "audit_events").await {
        let sql = format!("TRUNCATE {month}");
        assert!(run(&mut admin, &sql).await.is_err(), "{month}");
    }
    assert_eq!(months(&mut admin, "audit_chain").await.len(), 6);
}

/// Moves the whole log back in time, as a superuser can.
async fn age(world: &World, months: i32) {
    let mut admin = superuser(world).await;
    let sql = format!(
        "DO $$
         DECLARE parent text; stamp text; starts timestamptz; child text;
         BEGIN
             SET session_replication_role = replica;
             SET timezone = 'UTC';
             CREATE TEMP TABLE old_events ON COMMIT DROP AS SELECT * FROM audit_events;
             TRUNCATE audit_events, audit_chain;
             starts := date_trunc('month', now()) - make_interval(months => {months});
             FOREACH parent IN ARRAY ARRAY['audit_events', 'audit_chain'] LOOP
                 child := parent || '_' || to_char(starts, 'YYYY_MM');
                 EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                                child, parent, starts, starts + interval '1 month');
             END LOOP;
             INSERT INTO audit_events SELECT seq, starts + interval '1 day', id, action, outcome, actor,
                 target, detail, request_id, subject, sealed FROM old_events;
             DELETE FROM audit_pending;
             INSERT INTO audit_pending SELECT seq, at FROM audit_events;
         END $$"
    );
    run(&mut admin, &sql).await.unwrap();
    sealed(world).await;
    let sql = "SET session_replication_role = replica;
               UPDATE audit_chain SET sealed_at = event_at + interval '1 second'";
    run(&mut admin, sql).await.unwrap();
    run(&mut admin, "SET session_replication_role = DEFAULT")
        .await
        .unwrap();
    for parent in ["audit_events", "audit_chain"] {
        run(
            &mut admin,
            &format!("ALTER TABLE {parent} OWNER TO CURRENT_USER"),
        )
        .await
        .unwrap();
    }
    give_back(world).await;
}

/// What the superuser has made belongs to the application's role again.
async fn give_back(world: &World) {
    let mut admin = superuser(world).await;
    let owner: String = sqlx::query_scalar(
        "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'audit_pending'",
    )
    .fetch_one(&mut admin)
    .await
    .unwrap();
    for parent in ["audit_events", "audit_chain"] {
        run(
            &mut admin,
            &format!("ALTER TABLE {parent} OWNER TO {owner}"),
        )
        .await
        .unwrap();
        for month in months(&mut admin, parent).await {
            run(&mut admin, &format!("ALTER TABLE {month} OWNER TO {owner}"))
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn a_year_is_kept_and_what_is_older_goes_by_whole_months_with_the_chain_intact() {
    let world = World::new().await;
    world.user("kim@example.org", &[]).await;
    age(&world, 14).await;
    let old = verdict(&world, None).await.unwrap();
    assert!(old.links >= 3);
    // Newer ones follow on the same chain.
    world.admin().await;
    let anchor = sealed(&world).await;
    let gone = retire(&world.state.database).await.unwrap();
    assert_eq!(gone.len(), 2, "{gone:?}");
    assert_eq!(
        retire(&world.state.database).await.unwrap(),
        Vec::<String>::new()
    );
    let whole = verdict(&world, Some(anchor)).await.unwrap();
    assert_eq!((whole.links, whole.head), (1, anchor));
    // An anchor of before the cut can prove nothing any more, and is not taken for a proof.
    let early = erpgo::audit::seal::Head {
        position: 1,
        hash: [0; 32],
    };
    let refused = verdict(&world, Some(early)).await.unwrap_err().to_string();
    assert!(refused.contains("use a newer one"), "{refused}");
    // And the chain goes on.
    world.admin().await;
    assert_eq!(sealed(&world).await.position, anchor.position + 1);
    verdict(&world, Some(anchor)).await.unwrap();
}

#[tokio::test]
async fn links_stay_a_month_longer_than_their_events() {
    let world = World::new().await;
    world.admin().await;
    age(&world, 13).await;
    let before = verdict(&world, None).await.unwrap();
    let gone = retire(&world.state.database).await.unwrap();
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert!(gone[0].starts_with("audit_events_"));
    assert_eq!(
        verdict(&world, Some(before.head)).await.unwrap().links,
        before.links
    );
}

#[tokio::test]
async fn eleven_months_are_no_year() {
    let world = World::new().await;
    world.admin().await;
    age(&world, 11).await;
    assert_eq!(
        retire(&world.state.database).await.unwrap(),
        Vec::<String>::new()
    );
    let mut connection = PgConnection::connect(&world.database.url()).await.unwrap();
    verify(&mut connection, None).await.unwrap();
}

/// Whose key seals what belongs to nobody in the month before so many others. An earlier version may have made it: the
/// name of a month never changes.
fn nobody(ago: i32) -> Uuid {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let day = today.saturating_sub(ago.months());
    let name = format!("erpgo audit nobody {:04}-{:02}", day.year(), day.month());
    let digest = Sha256::digest(name);
    let bytes = digest[..16].try_into().unwrap();
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

async fn has_key(connection: &mut PgConnection, subject: Uuid) -> bool {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM subject_keys WHERE subject = $1)")
        .bind(subject)
        .fetch_one(connection)
        .await
        .unwrap()
}

/// The e-mails that failed to sign in, newest first, as far as they can be read.
async fn strangers(world: &World) -> Vec<Value> {
    let failed = events(world, "action=auth.sign_in_failed").await;
    failed
        .iter()
        .map(|event| event["personal"]["email"].clone())
        .collect()
}

#[tokio::test]
async fn what_belongs_to_nobody_goes_with_its_month_and_its_key() {
    let world = World::new().await;
    world.login("early@example.org", "wrong").await.expect(401);
    let mut admin = superuser(&world).await;
    let (now, old) = (nobody(0), nobody(14));
    assert!(has_key(&mut admin, now).await);
    // As if it had been sealed then.
    let sql = format!(
        "SET session_replication_role = replica;
         UPDATE subject_keys SET subject = '{old}' WHERE subject = '{now}';
         UPDATE audit_events SET subject = '{old}' WHERE subject = '{now}'"
    );
    run(&mut admin, &sql).await.unwrap();
    run(&mut admin, "SET session_replication_role = DEFAULT")
        .await
        .unwrap();
    age(&world, 14).await;
    world.login("late@example.org", "wrong").await.expect(401);
    assert_eq!(
        strangers(&world).await,
        ["late@example.org", "early@example.org"]
    );
    // Months of which nothing else is left here.
    for month in [1, 12, 13, 24] {
        sqlx::query("INSERT INTO subject_keys VALUES ($1, sha256('x'), now())")
            .bind(nobody(month))
            .execute(&mut admin)
            .await
            .unwrap();
    }
    assert_eq!(retire(&world.state.database).await.unwrap().len(), 2);
    for (month, stays) in [
        (0, true),
        (1, true),
        (12, true),
        (13, false),
        (14, false),
        (24, false),
    ] {
        let has = has_key(&mut admin, nobody(month)).await;
        assert_eq!(has, stays, "{month} months ago");
    }
    assert_eq!(strangers(&world).await, ["late@example.org"]);
}

#[tokio::test]
async fn a_tombstone_goes_when_no_event_is_left_that_names_its_person() {
    let world = World::new().await;
    world.admin().await;
    age(&world, 14).await;
    let mut admin = superuser(&world).await;
    let (old, young) = (Uuid::now_v7(), Uuid::now_v7());
    for (subject, months) in [(old, 14), (young, 12)] {
        sqlx::query(
            "INSERT INTO subject_keys (subject, key, created_at, destroyed_at)
             VALUES ($1, decode(repeat('00', 32), 'hex'), now(), now() - make_interval(months => $2))",
        )
        .bind(subject)
        .bind(months)
        .execute(&mut admin)
        .await
        .unwrap();
    }
    assert_eq!(retire(&world.state.database).await.unwrap().len(), 2);
    assert!(!has_key(&mut admin, old).await);
    assert!(has_key(&mut admin, young).await);
}
