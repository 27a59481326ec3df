//! Databases are isolated and dropped; templates are filled once; a private server can be broken.

use erpgo_test_kit::postgres::{self, TestDatabase};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

async fn text(url: &str, query: &str) -> String {
    let mut connection = connect(url).await;
    sqlx::query_scalar(AssertSqlSafe(query))
        .fetch_one(&mut connection)
        .await
        .unwrap()
}

/// r10_4: what one test writes no other test reads.
#[tokio::test]
async fn two_databases_do_not_see_each_other() {
    let (one, other) = (postgres::database().await, postgres::database().await);
    assert_ne!(one.name(), other.name());
    sqlx::raw_sql("CREATE TABLE mark (n int)")
        .execute(&mut connect(&one.url()).await)
        .await
        .unwrap();
    let query = "SELECT (to_regclass('mark') IS NOT NULL)::text";
    assert_eq!(text(&one.url(), query).await, "true");
    assert_eq!(text(&other.url(), query).await, "false");
}

#[tokio::test]
async fn the_owner_is_no_superuser_and_a_wrong_password_is_refused() {
    let database = postgres::database().await;
    let query = "SELECT rolsuper::text FROM pg_roles WHERE rolname = current_user";
    assert_eq!(text(&database.url(), query).await, "false");
    assert_eq!(text(&database.admin_url(), query).await, "true");
    let wrong = format!(
        "postgres://erpgo:wrong@{}/{}",
        database.address(),
        database.name()
    );
    assert!(PgConnection::connect(&wrong).await.is_err());
}

#[tokio::test]
async fn a_role_may_log_in_and_owns_nothing() {
    let database = postgres::database().await;
    sqlx::raw_sql("CREATE TABLE mark (n int)")
        .execute(&mut connect(&database.url()).await)
        .await
        .unwrap();
    let mut stranger = connect(&database.role().await).await;
    assert!(
        sqlx::raw_sql("SELECT n FROM mark")
            .execute(&mut stranger)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_database_goes_with_its_handle_even_while_connected() {
    let keeper = postgres::database().await;
    let database = postgres::database().await;
    let role = database.role().await;
    let name = database.name().to_owned();
    let _open = connect(&role).await;
    let count = format!("SELECT count(*)::text FROM pg_database WHERE datname = '{name}'");
    assert_eq!(text(&keeper.admin_url(), &count).await, "1");
    drop(database);
    let limit = Instant::now() + Duration::from_secs(30);
    while text(&keeper.admin_url(), &count).await != "0" {
        assert!(Instant::now() < limit, "{name} is still there");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_database_that_is_removed_is_gone_with_its_roles() {
    let keeper = postgres::database().await;
    let database = postgres::database().await;
    let role = database.role().await;
    let name = database.name().to_owned();
    let login = role.split(['/', ':']).nth(3).unwrap();
    let count = format!(
        "SELECT ((SELECT count(*) FROM pg_database WHERE datname = '{name}')
                 + (SELECT count(*) FROM pg_roles WHERE rolname = '{login}'))::text"
    );
    assert_eq!(text(&keeper.admin_url(), &count).await, "2");
    database.remove().await;
    assert_eq!(text(&keeper.admin_url(), &count).await, "0");
}

#[tokio::test]
async fn a_template_is_filled_once_and_cloned_quickly() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let fill = async |url: String| {
        RUNS.fetch_add(1, Ordering::Relaxed);
        sqlx::raw_sql("CREATE TABLE filled (n int); INSERT INTO filled VALUES (7)")
            .execute(&mut connect(&url).await)
            .await?;
        Ok(())
    };
    let first = TestDatabase::template("kit_once", fill).await;
    let (mut clones, mut fastest) = (Vec::new(), Duration::MAX);
    for _ in 0..3 {
        let started = Instant::now();
        clones.push(TestDatabase::template("kit_once", fill).await);
        fastest = fastest.min(started.elapsed());
    }
    for database in clones.iter().chain([&first]) {
        assert_eq!(
            text(&database.url(), "SELECT n::text FROM filled").await,
            "7"
        );
    }
    sqlx::raw_sql("DELETE FROM filled")
        .execute(&mut connect(&first.url()).await)
        .await
        .unwrap();
    assert_eq!(
        text(&clones[0].url(), "SELECT count(*)::text FROM filled").await,
        "1"
    );
    assert!(RUNS.load(Ordering::Relaxed) <= 1);
    // Far above what it takes, and the best of three, since other tests share the machine.
    assert!(fastest < Duration::from_secs(2), "{fastest:?}");
    println!("cloned in {fastest:?}");
    let started = Instant::now();
    drop(connect(&first.url()).await);
    println!("connected in {:?}", started.elapsed());
}

#[tokio::test]
async fn a_template_that_fails_leaves_nothing_behind_for_the_next_caller() {
    // Of this run alone: a template outlives it, and what one run has filled the next finds filled.
    let name = format!("kit_fails_{}", std::process::id());
    let failing = name.clone();
    let failing = tokio::spawn(async move {
        TestDatabase::template(&failing, async |_| anyhow::bail!("no such table")).await
    });
    let message = failing
        .await
        .err()
        .and_then(|error| error.into_panic().downcast::<String>().ok());
    assert!(message.is_some_and(|message| message.contains("no such table")));
    let database = TestDatabase::template(&name, async |_| Ok(())).await;
    assert_eq!(text(&database.url(), "SELECT 1::text").await, "1");
    let admin = database.admin_url();
    let template =
        format!("SELECT datname::text FROM pg_database WHERE datname LIKE '%{name}\\_%'");
    let template = text(&admin, &template).await;
    sqlx::raw_sql(AssertSqlSafe(format!("DROP DATABASE {template}")))
        .execute(&mut connect(&admin).await)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_private_server_stops_and_comes_back_with_its_data() {
    let mut server = postgres::server().await;
    sqlx::raw_sql("CREATE TABLE kept (n int)")
        .execute(&mut connect(&server.url()).await)
        .await
        .unwrap();
    server.stop();
    assert!(PgConnection::connect(&server.url()).await.is_err());
    server.start();
    assert_eq!(
        text(&server.url(), "SELECT to_regclass('kept')::text").await,
        "kept"
    );
    server.pause();
    let url = server.url();
    assert!(
        tokio::time::timeout(Duration::from_millis(300), PgConnection::connect(&url))
            .await
            .is_err()
    );
    server.resume();
    assert_eq!(text(&server.url(), "SELECT 1::text").await, "1");
}
