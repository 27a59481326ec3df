//! The subcommand from outside: exit codes and the report in the termination log.

use std::path::PathBuf;
use std::process::Output;

use erpgo::migrate::Runner;
use erpgo_test_kit::postgres::TestDatabase;
use serde_json::Value;

use super::{connect, empty, options};
use crate::sql::{scalar, sql};
use crate::world::DEV_SECRETS;

struct Run {
    output: Output,
    report: Value,
}

impl Run {
    fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}

async fn erpgo(command: &str, url: &str, variables: &[(&str, &str)]) -> Run {
    let directory = tempfile::tempdir().unwrap();
    let report: PathBuf = directory.path().join("termination-log");
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_erpgo"))
        .arg(command)
        .env_clear()
        .envs(DEV_SECRETS)
        .env("DATABASE_URL", url)
        .env("ERPGO_TERMINATION_LOG", &report)
        .env("ERPGO_LISTEN", "127.0.0.1:0")
        .env("ERPGO_METRICS_LISTEN", "127.0.0.1:0")
        .envs(variables.iter().copied())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(std::time::Duration::from_secs(90), output)
        .await
        .expect("the program does not end")
        .unwrap();
    let text = std::fs::read_to_string(&report).unwrap_or_default();
    Run {
        output,
        report: serde_json::from_str(&text).unwrap_or_default(),
    }
}

async fn at_version_2() -> TestDatabase {
    let database = crate::world::database().await;
    let mut connection = connect(&database).await;
    Runner::new(erpgo::migrate::embedded().unwrap(), options())
        .revert_to(&mut connection, 2)
        .await
        .unwrap();
    database
}

#[tokio::test]
async fn r19_3_serve_refuses_with_76_while_migrations_are_pending() {
    let (database, mut connection) = empty().await;
    let refused = erpgo("serve", &database.url(), &[]).await;
    assert_eq!(refused.code(), Some(76), "{}", refused.stderr());
    assert!(
        refused.stderr().contains("0001_identity"),
        "{}",
        refused.stderr()
    );
    assert!(scalar::<bool>(&mut connection, "SELECT to_regclass('users') IS NULL").await);

    let one_short = at_version_2().await;
    let refused = erpgo("serve", &one_short.url(), &[]).await;
    assert_eq!(refused.code(), Some(76), "{}", refused.stderr());
    assert!(refused.stderr().contains("0003_idempotency") && !refused.stderr().contains("0001_"));
}

#[tokio::test]
async fn r19_1_migrate_brings_an_empty_database_to_the_schema_and_creates_the_administrator_once() {
    let (database, mut connection) = empty().await;
    let bootstrap = tempfile::tempdir().unwrap();
    std::fs::write(bootstrap.path().join("email"), "root@example.org\n").unwrap();
    std::fs::write(bootstrap.path().join("password"), "correct horse battery\n").unwrap();
    let variables = [
        ("ERPGO_BOOTSTRAP_DIR", bootstrap.path().to_str().unwrap()),
        ("ERPGO_AUTH__HASH_MEMORY_KIB", "8"),
    ];
    let first = erpgo("migrate", &database.url(), &variables).await;
    assert_eq!(first.code(), Some(0), "{}", first.stderr());
    assert_eq!(first.report["outcome"], "applied");
    assert_eq!(first.report["applied"][0], "0001_identity");
    let all: String = scalar(&mut connection, "SHOW max_connections").await;
    let all: i64 = all.parse().unwrap();
    let ours = first.report["connections"].as_i64().unwrap();
    assert!(ours > 0 && ours < all, "{ours} of {all}");
    let everything = String::from_utf8_lossy(&first.output.stdout).into_owned() + &first.stderr();
    assert!(!everything.contains("correct horse"), "{everything}");
    let second = erpgo("migrate", &database.url(), &variables).await;
    assert_eq!(second.code(), Some(0), "{}", second.stderr());
    assert_eq!(second.report["outcome"], "unchanged");
    let emails: Vec<String> = sqlx::query_scalar("SELECT email FROM users")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(emails, ["root@example.org"]);
}

#[tokio::test]
async fn r19_2_an_sql_error_ends_with_65_and_a_report_that_names_the_statement() {
    let database = at_version_2().await;
    let mut connection = connect(&database).await;
    sql(&mut connection, "CREATE TABLE idempotency_keys (note text)").await;
    let failed = erpgo("migrate", &database.url(), &[]).await;
    assert_eq!(failed.code(), Some(65), "{}", failed.stderr());
    let report = &failed.report;
    assert_eq!(
        (&report["outcome"], &report["retryable"]),
        (&Value::from("failed"), &Value::from(false))
    );
    assert_eq!(report["connections"], Value::Null);
    assert_eq!(report["migration"], "0003_idempotency");
    assert!(
        report["statement"]
            .as_str()
            .unwrap()
            .starts_with("CREATE TABLE idempotency_keys")
    );
    assert!(
        report["error"].as_str().unwrap().contains("42P07"),
        "{report}"
    );
}

#[tokio::test]
async fn r19_2_a_lock_timeout_ends_with_75_and_the_next_run_succeeds() {
    let database = at_version_2().await;
    let mut client = connect(&database).await;
    sql(
        &mut client,
        "BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE",
    )
    .await;
    let variables = [("ERPGO_MIGRATIONS__LOCK_TIMEOUT", "1s")];
    let blocked = erpgo("migrate", &database.url(), &variables).await;
    assert_eq!(blocked.code(), Some(75), "{}", blocked.stderr());
    assert_eq!(blocked.report["retryable"], true, "{}", blocked.report);
    assert_eq!(blocked.report["migration"], "0003_idempotency");
    sql(&mut client, "ROLLBACK").await;
    let done = erpgo("migrate", &database.url(), &variables).await;
    assert_eq!(done.code(), Some(0), "{}", done.stderr());
    assert_eq!(done.report["applied"][0], "0003_idempotency");
}

#[tokio::test]
async fn r19_5_a_history_that_differs_ends_with_65_and_one_that_is_newer_with_76() {
    let database = crate::world::database().await;
    let mut connection = connect(&database).await;
    sql(
        &mut connection,
        "INSERT INTO schema_migrations VALUES (9999, '9999_newer', repeat('a', 64), now(), 1, '9')",
    )
    .await;
    let newer = erpgo("migrate", &database.url(), &[]).await;
    assert_eq!(newer.code(), Some(76), "{}", newer.stderr());
    assert!(newer.stderr().contains("9999_newer"), "{}", newer.stderr());
    sql(
        &mut connection,
        "DELETE FROM schema_migrations WHERE version = 9999;
         UPDATE schema_migrations SET checksum = repeat('b', 64) WHERE version = 2",
    )
    .await;
    let drifted = erpgo("migrate", &database.url(), &[]).await;
    assert_eq!(drifted.code(), Some(65), "{}", drifted.stderr());
    assert!(
        drifted.stderr().contains("0002_products"),
        "{}",
        drifted.stderr()
    );
}
