//! Files without a transaction: one index, checked after it was built.

use erpgo::cli::Exit;
use erpgo::migrate::MigrateError;

use super::{connect, empty, options, run};
use crate::sql::{scalar, sql};

const TABLE: (&str, &str) = (
    "0001_table.sql",
    "CREATE TABLE things (id int, name text); INSERT INTO things SELECT n, 'n' || n FROM generate_series(1, 100) n",
);
const INDEX: (&str, &str) = (
    "0002_index.sql",
    "-- erpgo: no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY things_id_key ON things (id)",
);
const VALID: &str = "SELECT coalesce(bool_and(indisvalid), false) FROM pg_index
                     WHERE indexrelid = to_regclass('things_id_key')";
const ABSENT: &str = "SELECT to_regclass('things_id_key') IS NULL";

#[tokio::test]
async fn r19_1_an_index_is_built_concurrently_and_is_valid() {
    let (_database, mut connection) = empty().await;
    let applied = run(&mut connection, &[TABLE, INDEX], options())
        .await
        .unwrap();
    assert_eq!(applied, ["0001_table", "0002_index"]);
    assert!(scalar::<bool>(&mut connection, VALID).await);
}

#[tokio::test]
async fn p17_an_index_that_cannot_be_built_is_dropped_and_not_noted() {
    let (_database, mut connection) = empty().await;
    run(&mut connection, &[TABLE], options()).await.unwrap();
    sql(&mut connection, "INSERT INTO things VALUES (1, 'twice')").await;
    let error = run(&mut connection, &[TABLE, INDEX], options())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, MigrateError::Sql { migration, .. } if migration == "0002_index"),
        "{error:?}"
    );
    assert_eq!(error.exit(), Exit::Migration);
    // PostgreSQL itself leaves it there, invalid.
    assert!(scalar::<bool>(&mut connection, ABSENT).await);
    assert_eq!(
        scalar::<i64>(&mut connection, "SELECT count(*) FROM schema_migrations").await,
        1
    );
    sql(&mut connection, "DELETE FROM things WHERE name = 'twice'").await;
    assert_eq!(
        run(&mut connection, &[TABLE, INDEX], options())
            .await
            .unwrap(),
        ["0002_index"]
    );
    assert!(scalar::<bool>(&mut connection, VALID).await);
}

#[tokio::test]
async fn p17_the_invalid_index_of_a_run_that_died_is_replaced() {
    let (_database, mut connection) = empty().await;
    run(&mut connection, &[TABLE], options()).await.unwrap();
    sql(&mut connection, "INSERT INTO things VALUES (1, 'twice')").await;
    let died = sqlx::raw_sql("CREATE UNIQUE INDEX CONCURRENTLY things_id_key ON things (id)")
        .execute(&mut connection)
        .await;
    assert!(died.is_err());
    assert!(
        !scalar::<bool>(&mut connection, VALID).await
            && !scalar::<bool>(&mut connection, ABSENT).await
    );
    sql(&mut connection, "DELETE FROM things WHERE name = 'twice'").await;
    run(&mut connection, &[TABLE, INDEX], options())
        .await
        .unwrap();
    assert!(scalar::<bool>(&mut connection, VALID).await);
}

#[tokio::test]
async fn p17_an_index_that_was_built_but_not_noted_is_noted_and_not_built_twice() {
    let (_database, mut connection) = empty().await;
    run(&mut connection, &[TABLE, INDEX], options())
        .await
        .unwrap();
    let built = "SELECT 'things_id_key'::regclass::oid::bigint";
    let before: i64 = scalar(&mut connection, built).await;
    sql(
        &mut connection,
        "DELETE FROM schema_migrations WHERE version = 2",
    )
    .await;
    assert_eq!(
        run(&mut connection, &[TABLE, INDEX], options())
            .await
            .unwrap(),
        ["0002_index"]
    );
    assert_eq!(scalar::<i64>(&mut connection, built).await, before);
}

#[tokio::test]
async fn r19_1_writers_go_on_while_an_index_is_built() {
    let (database, mut connection) = empty().await;
    run(&mut connection, &[TABLE], options()).await.unwrap();
    // An old writer holds the build up: it must not hold the new one up.
    let mut old = connect(&database).await;
    sql(&mut old, "BEGIN; INSERT INTO things VALUES (1000, 'old')").await;
    let patient = erpgo::migrate::Options {
        lock_timeout: std::time::Duration::from_secs(60),
        ..options()
    };
    let building = tokio::spawn(async move {
        let done = run(&mut connection, &[TABLE, INDEX], patient).await;
        (done, connection)
    });
    crate::world::until("the build waits", || async {
        let mut observer = connect(&database).await;
        scalar::<bool>(
            &mut observer,
            "SELECT EXISTS (SELECT 1 FROM pg_stat_progress_create_index WHERE datname = current_database())",
        )
        .await
    })
    .await;
    let mut new = connect(&database).await;
    let write = sqlx::raw_sql("INSERT INTO things VALUES (1001, 'new')").execute(&mut new);
    tokio::time::timeout(std::time::Duration::from_secs(20), write)
        .await
        .expect("a writer waits for the build")
        .unwrap();
    assert!(!building.is_finished());
    sql(&mut old, "COMMIT").await;
    let (done, mut connection) = building.await.unwrap();
    assert_eq!(done.unwrap(), ["0002_index"]);
    assert!(scalar::<bool>(&mut connection, VALID).await);
}
