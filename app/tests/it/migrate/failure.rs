//! A migration that fails leaves nothing of itself behind (P17, R19.2).

use erpgo::cli::Exit;
use erpgo::migrate::{MigrateError, Outcome, Report};
use proptest::prelude::*;
use sqlx::Connection as _;

use super::{connect, empty, everything, options, run};
use crate::runtime::one_thread;
use crate::sql::{scalar, sql};

const FIRST: (&str, &str) = (
    "0001_first.sql",
    "CREATE TABLE kept (id int PRIMARY KEY, note text NOT NULL DEFAULT '');
     INSERT INTO kept SELECT n FROM generate_series(1, 5) n;
     ALTER TABLE kept ADD CONSTRAINT kept_parent FOREIGN KEY (id) REFERENCES kept (id)
         DEFERRABLE INITIALLY DEFERRED;",
);

/// Statements that succeed in any order and number; `{n}` makes each unlike the others.
const GOOD: [&str; 12] = [
    "CREATE TABLE made_{n} (id int PRIMARY KEY, v text)",
    "ALTER TABLE kept ADD COLUMN c_{n} text NOT NULL DEFAULT 'x;y'",
    "INSERT INTO kept (id) VALUES (1000 + {n})",
    "UPDATE kept SET note = note || '{n}'",
    "CREATE INDEX kept_{n}_idx ON kept (note, id)",
    "CREATE TYPE mood_{n} AS ENUM ('good', 'bad')",
    "CREATE FUNCTION f_{n}() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$",
    "CREATE SEQUENCE s_{n}",
    "CREATE VIEW v_{n} AS SELECT id FROM kept",
    "ALTER TABLE kept ALTER note SET DEFAULT '{n}'",
    "CREATE SCHEMA extra_{n}",
    "DO $x$ BEGIN INSERT INTO kept (id) VALUES (2000 + {n}); END $x$",
];

/// Statements that fail, each for another reason, the last ones at the commit only.
const BAD: [&str; 9] = [
    "SELEC 1",
    "INSERT INTO kept (id) VALUES (1)",
    "ALTER TABLE nowhere ADD COLUMN a int",
    "SELECT 1/0",
    "CREATE TABLE kept (id int)",
    "INSERT INTO kept (id, note) VALUES (77, NULL)",
    "CREATE INDEX CONCURRENTLY_is_not_a_word ON kept",
    "DO $$ BEGIN RAISE EXCEPTION 'no'; END $$",
    "SET CONSTRAINTS ALL DEFERRED; ALTER TABLE kept DROP CONSTRAINT kept_parent;
     ALTER TABLE kept ADD parent int DEFAULT 1 REFERENCES kept (id) DEFERRABLE INITIALLY DEFERRED;
     INSERT INTO kept (id, parent) VALUES (88, 99)",
];

fn file(good: &[usize], bad: usize, at: usize) -> String {
    let mut statements: Vec<_> = good
        .iter()
        .enumerate()
        .map(|(n, which)| GOOD[*which].replace("{n}", &n.to_string()))
        .collect();
    // What fails at the commit is last, so that nothing else can fail on it before.
    let at = if bad == BAD.len() - 1 {
        statements.len()
    } else {
        at.min(statements.len())
    };
    statements.insert(at, BAD[bad].to_owned());
    statements.join(";\n")
}

#[test]
fn p17_whatever_fails_wherever_nothing_of_the_migration_stays() {
    let runtime = one_thread();
    let (database, mut connection) = runtime.block_on(async {
        let (database, mut connection) = empty().await;
        run(&mut connection, &[FIRST], options()).await.unwrap();
        (database, connection)
    });
    let before = runtime.block_on(everything(&mut connection));
    let connection = std::cell::RefCell::new(connection);
    let cases = (
        proptest::collection::vec(0..GOOD.len(), 0..6),
        0..BAD.len(),
        0..6usize,
    );
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(150));
    runner
        .run(&cases, |(good, bad, at)| {
            let text = file(&good, bad, at);
            let files = [
                FIRST,
                ("0002_second.sql", text.as_str()),
                ("0003_third.sql", "CREATE TABLE third (id int)"),
            ];
            let mut connection = connection.borrow_mut();
            let (error, after) = runtime.block_on(async {
                let error = run(&mut connection, &files, options()).await.unwrap_err();
                (error, everything(&mut connection).await)
            });
            prop_assert!(matches!(&error, MigrateError::Sql { .. }), "{error:?}");
            prop_assert_eq!(error.exit(), Exit::Migration);
            prop_assert_eq!(&after, &before, "{}", text);
            Ok(())
        })
        .unwrap();
    drop(connection);
    runtime.block_on(async { drop(database) });
}

#[tokio::test]
async fn r19_2_a_failure_names_file_statement_and_reason_and_keeps_what_came_before() {
    let (_database, mut connection) = empty().await;
    let files = [
        FIRST,
        ("0002_second.sql", "CREATE TABLE second (id int)"),
        (
            "0003_third.sql",
            "CREATE TABLE third (id int); INSERT INTO kept (id) VALUES (1); SELECT 3",
        ),
    ];
    let mut applied = Vec::new();
    let error = erpgo::migrate::Runner::new(super::set(&files), options())
        .run(&mut connection, &mut applied)
        .await
        .unwrap_err();
    assert_eq!(applied, ["0001_first", "0002_second"]);
    assert_eq!(
        error.place(),
        (Some("0003_third"), Some("INSERT INTO kept (id) VALUES (1)"))
    );
    let report = Report::new(applied, Err(&error));
    assert_eq!((report.outcome, report.retryable), (Outcome::Failed, false));
    let text = report.error.unwrap();
    assert!(
        text.contains("23505") && text.contains("kept_pkey"),
        "{text}"
    );
    assert!(
        scalar::<bool>(
            &mut connection,
            "SELECT to_regclass('third') IS NULL AND to_regclass('second') IS NOT NULL"
        )
        .await
    );
    // Corrected, it goes on from there.
    let corrected = [
        files[0],
        files[1],
        ("0003_third.sql", "CREATE TABLE third (id int)"),
    ];
    assert_eq!(
        run(&mut connection, &corrected, options()).await.unwrap(),
        ["0003_third"]
    );
}

/// A migration whose process dies is rolled back by the server, and the next run starts afresh.
#[tokio::test]
async fn p17_a_connection_that_dies_in_mid_file_leaves_nothing() {
    let (database, mut connection) = empty().await;
    run(&mut connection, &[FIRST], options()).await.unwrap();
    let before = everything(&mut connection).await;
    let mut victim = connect(&database).await;
    let pid: i32 = scalar(&mut victim, "SELECT pg_backend_pid()").await;
    let files = [
        FIRST,
        (
            "0002_second.sql",
            "CREATE TABLE second (id int); SELECT pg_sleep(60)",
        ),
    ];
    let running = tokio::spawn(async move { run(&mut victim, &files, options()).await });
    crate::world::until("the migration sleeps", || async {
        let mut observer = connect(&database).await;
        sqlx::query_scalar::<_, bool>(
            "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND query LIKE '%pg_sleep%' AND state = 'active')",
        )
        .bind(pid)
        .fetch_one(&mut observer)
        .await
        .unwrap()
    })
    .await;
    let mut admin = sqlx::PgConnection::connect(&database.admin_url())
        .await
        .unwrap();
    sql(
        &mut admin,
        &format!("SELECT pg_terminate_backend({pid}, 5000)"),
    )
    .await;
    let error = running.await.unwrap().unwrap_err();
    assert_eq!(error.exit(), Exit::Temporary, "{error:?}");
    assert_eq!(everything(&mut connection).await, before);
    let second = [FIRST, ("0002_second.sql", "CREATE TABLE second (id int)")];
    assert_eq!(
        run(&mut connection, &second, options()).await.unwrap(),
        ["0002_second"]
    );
}
