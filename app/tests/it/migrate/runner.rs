//! What is applied, in which order, and what is refused before anything runs.

use erpgo::cli::Exit;
use erpgo::migrate::{MigrateError, Options, Outcome, Report, Runner};

use super::{empty, options, run, set};
use crate::sql::{scalar, sql};

const FILES: [(&str, &str); 2] = [
    (
        "0001_one.sql",
        "CREATE TABLE one (id int PRIMARY KEY);\n-- erpgo: down\nDROP TABLE one;",
    ),
    (
        "0002_two.sql",
        "INSERT INTO one VALUES (1); ALTER TABLE one ADD COLUMN two text;\n\
         -- erpgo: down\nALTER TABLE one DROP COLUMN two; DELETE FROM one;",
    ),
];

#[tokio::test]
async fn r19_5_history_has_name_time_duration_version_and_checksum() {
    let (_database, mut connection) = empty().await;
    let applied = run(&mut connection, &FILES, options()).await.unwrap();
    assert_eq!(applied, ["0001_one", "0002_two"]);
    let rows: Vec<(i32, String, String, bool, i64, String)> = sqlx::query_as(
        "SELECT version, name, checksum, applied_at BETWEEN now() - interval '5 minutes' AND clock_timestamp(),
                execution_milliseconds, app_version FROM schema_migrations ORDER BY version",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let set = set(&FILES);
    assert_eq!(rows.len(), 2);
    for (row, file) in rows.iter().zip(set.iter()) {
        assert_eq!(
            (row.0, &row.1, &row.2),
            (file.version, &file.name, &file.checksum)
        );
        assert!(row.3 && row.4 >= 0 && row.5 == "test", "{row:?}");
    }
    // A second run finds nothing to do, and the new file alone is applied later.
    assert!(
        run(&mut connection, &FILES, options())
            .await
            .unwrap()
            .is_empty()
    );
    let mut more = FILES.to_vec();
    more.push(("0007_three.sql", "SELECT 1"));
    assert_eq!(
        run(&mut connection, &more, options()).await.unwrap(),
        ["0007_three"]
    );
}

#[tokio::test]
async fn r19_1_migrations_are_taken_back_newest_first() {
    let (_database, mut connection) = empty().await;
    run(&mut connection, &FILES, options()).await.unwrap();
    let runner = Runner::new(set(&FILES), options());
    let reverted = runner.revert_to(&mut connection, 0).await.unwrap();
    assert_eq!(reverted, ["0002_two", "0001_one"]);
    assert!(scalar::<bool>(&mut connection, "SELECT to_regclass('one') IS NULL").await);
    assert_eq!(
        scalar::<i64>(&mut connection, "SELECT count(*) FROM schema_migrations").await,
        0
    );
    // And forward again.
    run(&mut connection, &FILES, options()).await.unwrap();
    assert_eq!(
        scalar::<i32>(&mut connection, "SELECT id FROM one").await,
        1
    );
}

#[tokio::test]
async fn r19_1_every_migration_of_this_build_goes_back_and_forth() {
    let database = crate::world::database().await;
    let mut connection = super::connect(&database).await;
    let runner = Runner::new(erpgo::migrate::embedded().unwrap(), options());
    let shape = "SELECT string_agg(c.relname || '.' || a.attname || ':' || format_type(a.atttypid, a.atttypmod)
                    || ':' || a.attnotnull, ',' ORDER BY c.relname, a.attname)
                 FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                 WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped";
    let before: String = scalar(&mut connection, shape).await;
    let reverted = runner.revert_to(&mut connection, 1).await.unwrap();
    assert!(reverted.len() >= 2, "{reverted:?}");
    let mut applied = Vec::new();
    runner.run(&mut connection, &mut applied).await.unwrap();
    applied.reverse();
    assert_eq!(applied, reverted);
    assert_eq!(scalar::<String>(&mut connection, shape).await, before);
}

#[tokio::test]
async fn r19_1_without_a_way_back_nothing_is_taken_back() {
    let (_database, mut connection) = empty().await;
    let files = [
        ("0001_one.sql", "CREATE TABLE one (id int)"),
        ("0002_two.sql", FILES[1].1),
    ];
    run(&mut connection, &files, options()).await.unwrap();
    let error = Runner::new(set(&files), options())
        .revert_to(&mut connection, 0)
        .await
        .unwrap_err();
    assert!(matches!(&error, MigrateError::NoWayBack { migration } if migration == "0001_one"));
    assert_eq!(
        scalar::<i64>(&mut connection, "SELECT count(*) FROM schema_migrations").await,
        2
    );
}

#[tokio::test]
async fn r19_4_what_destroys_needs_leave_and_nothing_runs_before_it() {
    let (_database, mut connection) = empty().await;
    run(&mut connection, &FILES[..1], options()).await.unwrap();
    sql(&mut connection, "INSERT INTO one VALUES (7)").await;
    let files = [
        FILES[0],
        ("0002_harmless.sql", "ALTER TABLE one ADD COLUMN two text"),
        ("0003_drop.sql", "DROP TABLE one"),
    ];
    let error = run(&mut connection, &files, options()).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Destructive);
    assert_eq!(error.place(), (Some("0003_drop"), Some("DROP TABLE one")));
    assert_eq!(Report::new(vec![], Err(&error)).outcome, Outcome::Refused);
    assert_eq!(
        scalar::<i32>(&mut connection, "SELECT id FROM one").await,
        7
    );
    assert_eq!(
        scalar::<i64>(&mut connection, "SELECT count(*) FROM schema_migrations").await,
        1
    );
    let leave = Options {
        allow_destructive: true,
        ..options()
    };
    let applied = run(&mut connection, &files, leave).await.unwrap();
    assert_eq!(applied, ["0002_harmless", "0003_drop"]);
    assert!(scalar::<bool>(&mut connection, "SELECT to_regclass('one') IS NULL").await);
}

#[tokio::test]
async fn r19_4_a_mark_makes_any_file_one_that_needs_leave() {
    let (_database, mut connection) = empty().await;
    let files = [(
        "0001_one.sql",
        "-- erpgo: destructive\nCREATE TABLE one (id int)",
    )];
    let error = run(&mut connection, &files, options()).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Destructive);
    assert!(scalar::<bool>(&mut connection, "SELECT to_regclass('one') IS NULL").await);
}

#[tokio::test]
async fn r19_5_files_that_do_not_belong_to_the_history_are_refused() {
    let (_database, mut connection) = empty().await;
    run(&mut connection, &FILES, options()).await.unwrap();
    // Edited after it was applied.
    let edited = [
        FILES[0],
        ("0002_two.sql", "SELECT 2"),
        ("0003_x.sql", "CREATE TABLE x (id int)"),
    ];
    let error = run(&mut connection, &edited, options()).await.unwrap_err();
    assert!(matches!(&error, MigrateError::Drift { migration } if migration == "0002_two"));
    assert_eq!(error.exit(), Exit::Migration);
    // Renamed.
    let renamed = [FILES[0], ("0002_zwei.sql", FILES[1].1)];
    let error = run(&mut connection, &renamed, options()).await.unwrap_err();
    assert!(matches!(error, MigrateError::Drift { .. }));
    // The database has more than this program knows.
    let older = [FILES[0], ("0003_x.sql", "CREATE TABLE x (id int)")];
    let error = run(&mut connection, &older, options()).await.unwrap_err();
    assert!(matches!(&error, MigrateError::Newer { names } if names == &["0002_two"]));
    assert_eq!(error.exit(), Exit::Schema);
    assert!(scalar::<bool>(&mut connection, "SELECT to_regclass('x') IS NULL").await);
}

#[tokio::test]
async fn r19_5_a_number_below_one_that_is_applied_is_refused() {
    let (_database, mut connection) = empty().await;
    let files = [FILES[0], ("0005_five.sql", "SELECT 5")];
    run(&mut connection, &files, options()).await.unwrap();
    let late = [
        FILES[0],
        ("0002_late.sql", "CREATE TABLE x (id int)"),
        files[1],
    ];
    let error = run(&mut connection, &late, options()).await.unwrap_err();
    assert!(matches!(
        &error,
        MigrateError::OutOfOrder { migration, applied } if migration == "0002_late" && applied == "0005_five"
    ));
    assert!(scalar::<bool>(&mut connection, "SELECT to_regclass('x') IS NULL").await);
}

#[tokio::test]
async fn r19_3_what_is_pending_is_told_and_a_newer_database_lacks_nothing() {
    let database = crate::world::database().await;
    let pool = sqlx::PgPool::connect(&database.url()).await.unwrap();
    assert!(erpgo::migrate::pending(&pool).await.unwrap().is_empty());
    let mut connection = super::connect(&database).await;
    let all = erpgo::migrate::embedded().unwrap();
    let runner = Runner::new(all.clone(), options());
    runner.revert_to(&mut connection, 2).await.unwrap();
    let expected: Vec<_> = all
        .iter()
        .filter(|m| m.version > 2)
        .map(|m| m.name.clone())
        .collect();
    assert_eq!(erpgo::migrate::pending(&pool).await.unwrap(), expected);
    runner.run(&mut connection, &mut Vec::new()).await.unwrap();
    sql(
        &mut connection,
        "INSERT INTO schema_migrations VALUES (9999, '9999_newer', repeat('a', 64), now(), 1, '9')",
    )
    .await;
    assert!(erpgo::migrate::pending(&pool).await.unwrap().is_empty());
}

#[tokio::test]
async fn r19_3_an_empty_database_lacks_every_migration() {
    let (database, _connection) = empty().await;
    let pool = sqlx::PgPool::connect(&database.url()).await.unwrap();
    let pending = erpgo::migrate::pending(&pool).await.unwrap();
    assert_eq!(
        pending.len(),
        erpgo::migrate::embedded().unwrap().iter().count()
    );
}
