//! P16: an audit entry, once written, can be neither changed nor deleted through the application.

use http::Method;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sqlx::{Connection as _, PgConnection};

use super::{run, sealed, superuser};
use crate::world::World;

/// The content of the whole log, in one word.
async fn fingerprint(connection: &mut PgConnection) -> String {
    sqlx::query_scalar(
        "SELECT md5(concat(
             (SELECT string_agg(e::text, '|' ORDER BY seq) FROM audit_events e),
             (SELECT string_agg(c::text, '|' ORDER BY position) FROM audit_chain c),
             (SELECT count(*) FROM audit_cuts)))",
    )
    .fetch_one(connection)
    .await
    .unwrap()
}

/// Ways to change a table that plain SQL knows.
fn attempt() -> impl Strategy<Value = String> {
    let events = prop_oneof![
        Just("audit_events".to_owned()),
        Just("ONLY audit_events".to_owned()),
        Just("audit_events_month".to_owned()),
    ];
    let column = proptest::sample::select(vec![
        "action = 'auth.signed_in'",
        "outcome = 'success'",
        "actor = NULL",
        "actor = gen_random_uuid()",
        "target = 'user:x'",
        "detail = '{}'",
        "at = at + interval '1 second'",
        "seq = seq + 1000",
        "subject = NULL, sealed = NULL",
        "request_id = 'other'",
    ]);
    let filter = proptest::sample::select(vec![
        "",
        " WHERE true",
        " WHERE seq = 1",
        " WHERE false",
        " WHERE action LIKE 'role.%'",
        " WHERE at < now() + interval '1 hour'",
    ]);
    let chain = proptest::sample::select(vec![
        "UPDATE audit_chain SET hash = leaf",
        "UPDATE audit_chain SET leaf = hash WHERE position = 1",
        "UPDATE audit_chain_month SET seq = 0",
        "DELETE FROM audit_chain",
        "DELETE FROM audit_chain_month WHERE position = 1",
        "TRUNCATE audit_chain",
        "TRUNCATE audit_chain_month",
        "TRUNCATE audit_events, audit_chain, audit_pending CASCADE",
        "DELETE FROM audit_cuts",
        "UPDATE audit_cuts SET position = 0",
        "TRUNCATE audit_cuts",
        "INSERT INTO audit_cuts (position, hash, until) VALUES (1, sha256('x'), now())
         ON CONFLICT (position) DO UPDATE SET until = excluded.until",
        "MERGE INTO audit_events e USING audit_chain c ON e.seq = c.seq WHEN MATCHED THEN DELETE",
        "MERGE INTO audit_events e USING audit_chain c ON e.seq = c.seq
         WHEN MATCHED THEN UPDATE SET detail = '{}'",
        "WITH gone AS (DELETE FROM audit_events RETURNING *) SELECT count(*) FROM gone",
    ])
    .prop_map(str::to_owned);
    let forms = (events, column, filter, 0..4).prop_map(|(table, column, filter, form)| {
        let bare = table.replace("ONLY ", "");
        match form {
            0 => format!("UPDATE {table} SET {column}{filter}"),
            1 => format!("DELETE FROM {table}{filter}"),
            2 => format!("TRUNCATE {table}"),
            _ => format!(
                "WITH changed AS (UPDATE {bare} SET {column}{filter} RETURNING 1)
                 SELECT count(*) FROM changed"
            ),
        }
    });
    prop_oneof![3 => forms, 1 => chain]
}

/// A role that may do what the application does, and owns nothing.
async fn granted(world: &World) -> String {
    let url = world.database.role().await;
    let role = url.split("://").nth(1).unwrap().split(':').next().unwrap();
    let mut admin = superuser(world).await;
    for table in ["audit_events", "audit_chain", "audit_cuts"] {
        run(
            &mut admin,
            &format!("GRANT SELECT, INSERT ON {table} TO {role}"),
        )
        .await
        .unwrap();
    }
    url
}

#[test]
fn p16_no_plain_sql_of_the_applications_roles_changes_or_deletes_an_event() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (world, urls, month) = runtime.block_on(async {
        let world = World::new().await;
        world.user("kim@example.org", &["users.read"]).await;
        sealed(&world).await;
        let urls = [world.database.url(), granted(&world).await];
        let month: String =
            sqlx::query_scalar("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')")
                .fetch_one(&mut superuser(&world).await)
                .await
                .unwrap();
        (world, urls, month)
    });
    let before = runtime.block_on(async { fingerprint(&mut superuser(&world).await).await });
    let mut runner = TestRunner::new(ProptestConfig::with_cases(150));
    runner
        .run(&(attempt(), 0..2usize), |(sql, role)| {
            let sql = sql
                .replace("audit_events_month", &format!("audit_events_{month}"))
                .replace("audit_chain_month", &format!("audit_chain_{month}"));
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&urls[role]).await.unwrap();
                let refused = run(&mut connection, &sql).await.unwrap_err();
                let code = refused
                    .as_database_error()
                    .and_then(|error| error.code().map(String::from));
                // insufficient_privilege: from the grant or from the trigger.
                assert_eq!(code.as_deref(), Some("42501"), "{sql}: {refused}");
                connection.close().await.unwrap();
                let mut admin = superuser(&world).await;
                assert_eq!(fingerprint(&mut admin).await, before, "{sql}");
            });
            Ok(())
        })
        .unwrap();
    runtime.block_on(async { drop(world) });
}

#[tokio::test]
async fn p16_even_a_superuser_meets_the_trigger() {
    let world = World::new().await;
    world.admin().await;
    let mut admin = superuser(&world).await;
    for sql in [
        "UPDATE audit_events SET detail = '{}'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
    ] {
        let refused = run(&mut admin, sql).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{refused}");
    }
}

#[tokio::test]
async fn p16_the_role_that_owns_nothing_cannot_take_the_protection_away() {
    let world = World::new().await;
    world.admin().await;
    let mut connection = PgConnection::connect(&granted(&world).await).await.unwrap();
    for sql in [
        "ALTER TABLE audit_events DISABLE TRIGGER ALL",
        "DROP TRIGGER append_only ON audit_events",
        "DROP TABLE audit_events",
        "GRANT ALL ON audit_events TO CURRENT_USER",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "ALTER TABLE audit_events DETACH PARTITION audit_events_2026_01",
    ] {
        // GRANT only warns that nothing was granted; the next statement proves it.
        let outcome = run(&mut connection, sql).await;
        assert!(outcome.is_err() || sql.starts_with("GRANT"), "{sql}");
        assert!(
            run(&mut connection, "DELETE FROM audit_events")
                .await
                .is_err()
        );
    }
    // It can do what it must: months ahead, through a function that does only that.
    run(&mut connection, "SELECT audit_prepare(5)")
        .await
        .unwrap();
    run(&mut connection, "SELECT audit_retire()").await.unwrap();
}

#[tokio::test]
async fn p16_no_route_changes_or_deletes_an_event() {
    let world = World::new().await;
    let admin = world.admin().await;
    let document = serde_json::to_value(erpgo::router::document()).unwrap();
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        if !path.starts_with("/api/v1/audit") {
            continue;
        }
        seen += 1;
        assert_eq!(
            item.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["get"]
        );
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let body = Some(serde_json::json!({}));
            let answer = world.call(method, path, &admin, body).await;
            answer.refused(405, "METHOD_NOT_ALLOWED");
        }
    }
    assert_eq!(seen, 2);
}
