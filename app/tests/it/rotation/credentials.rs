//! The db-credentials subcommand on real PostgreSQL, with roles as the guide sets them up.

use std::process::Output;

use erpgo_test_kit::postgres::{self, TestDatabase};
use sqlx::{Connection as _, PgConnection};

use super::job::{self, Job, write};
use crate::sql::sql;

const GUIDE: &str = include_str!("../../../../docs/guides/database-roles.md");

/// The guide's statements with names that no other test has.
struct Roles {
    database: TestDatabase,
    prefix: String,
    job: Job,
}

async fn connect(url: &str) -> sqlx::Result<PgConnection> {
    PgConnection::connect(url).await
}

impl Roles {
    async fn new() -> Self {
        let database = postgres::database().await;
        let id = uuid::Uuid::new_v4().simple().to_string();
        let roles = Self {
            database,
            prefix: format!("guide_{}", &id[..12]),
            job: Job::new("db-credentials", "--role"),
        };
        let sql = GUIDE.split("```sql").nth(1).unwrap();
        let sql = sql.split("```").next().unwrap();
        let sql = sql.replace("erp_db", roles.database.name());
        roles.run(&sql.replace("erp", &roles.prefix)).await;
        roles
            .run(&format!(
                "ALTER ROLE {0}_rotation PASSWORD 'rotation'; ALTER ROLE {0}_a PASSWORD 'first'",
                roles.prefix
            ))
            .await;
        let admin = roles.url("rotation", "rotation");
        std::fs::write(roles.job.admin_file(), admin).unwrap();
        roles
    }

    async fn run(&self, text: &str) {
        let mut admin = connect(&self.database.admin_url()).await.unwrap();
        sql(&mut admin, text).await;
    }

    fn role(&self, end: &str) -> String {
        format!("{}_{end}", self.prefix)
    }

    fn url(&self, end: &str, password: &str) -> String {
        let address = self.database.address();
        let (role, name) = (self.role(end), self.database.name());
        format!("postgres://{role}:{password}@{address}/{name}")
    }

    /// What PostgreSQL itself makes of `password`.
    async fn verifier(&self, password: &str) -> String {
        let scratch = self.role("scratch");
        self.run(&format!("CREATE ROLE {scratch} PASSWORD '{password}'"))
            .await;
        let mut admin = connect(&self.database.admin_url()).await.unwrap();
        let verifier = sqlx::query_scalar("SELECT rolpassword FROM pg_authid WHERE rolname = $1")
            .bind(&scratch)
            .fetch_one(&mut admin)
            .await
            .unwrap();
        self.run(&format!("DROP ROLE {scratch}")).await;
        verifier
    }

    async fn set(&self, end: &str, password: &str) {
        write(&self.job.verifier_file(), &self.verifier(password).await);
        expect(&self.job.run("set", &self.role(end)), 0, "");
    }

    /// The guide's roles belong to the server, not to the database.
    async fn drop(self) {
        let name = self.database.name();
        let roles: Vec<_> = ["a", "b", "rotation"].map(|end| self.role(end)).to_vec();
        self.run(&format!("ALTER DATABASE {name} OWNER TO postgres"))
            .await;
        let (owner, all) = (&self.prefix, roles.join(", "));
        self.run(&format!(
            "DROP OWNED BY {owner}, {all} CASCADE; DROP ROLE {all}, {owner}"
        ))
        .await;
    }
}

fn expect(output: &Output, code: i32, text: &str) {
    let canaries = ["SCRAM-SHA-256$", "canary", "postgres://"];
    job::expect(output, code, text, &canaries);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_a_password_is_given_and_taken_away_and_no_connection_ends() {
    let roles = Roles::new().await;
    let mut serving = connect(&roles.url("a", "first")).await.unwrap();
    let who: (String, String) = sqlx::query_as("SELECT session_user::text, current_user::text")
        .fetch_one(&mut serving)
        .await
        .unwrap();
    assert_eq!(who, (roles.role("a"), roles.prefix.clone()));
    sqlx::raw_sql("CREATE TABLE users (id int)")
        .execute(&mut serving)
        .await
        .unwrap();

    assert!(connect(&roles.url("b", "canary-b")).await.is_err());
    roles.set("b", "canary-b").await;
    // Once more changes nothing.
    expect(&roles.job.run("set", &roles.role("b")), 0, "");
    let mut next = connect(&roles.url("b", "canary-b")).await.unwrap();
    sqlx::raw_sql("INSERT INTO users VALUES (1); ALTER TABLE users ADD name text")
        .execute(&mut next)
        .await
        .unwrap();

    for _ in 0..2 {
        expect(&roles.job.run("clear", &roles.role("a")), 0, "");
    }
    let refused = connect(&roles.url("a", "first")).await.err().unwrap();
    let state = refused.as_database_error().and_then(|error| error.code());
    assert_eq!(state.as_deref(), Some("28P01"), "{refused}");
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM users")
        .fetch_one(&mut serving)
        .await
        .unwrap();
    assert_eq!(rows, 1, "who was connected works on");
    // The next turn: the first role gets another password.
    roles.set("a", "canary-a").await;
    connect(&roles.url("a", "canary-a")).await.unwrap();
    assert!(connect(&roles.url("a", "first")).await.is_err());
    serving.close().await.unwrap();
    next.close().await.unwrap();
    roles.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_cannot_take_turns_keeps_its_password() {
    let roles = Roles::new().await;
    write(&roles.job.verifier_file(), &roles.verifier("canary").await);
    let prefix = roles.prefix.clone();
    for (sql, role, text) in [
        ("", format!("{prefix}_c"), "it does not exist"),
        ("", "postgres".to_owned(), "it is a superuser"),
        ("", format!("{prefix}_rotation"), "the administrator's own"),
        ("", prefix.clone(), "it owns the tables itself"),
        (
            "ALTER ROLE {}_b NOLOGIN",
            format!("{prefix}_b"),
            "it may not log in",
        ),
        (
            "ALTER ROLE {}_b LOGIN; REVOKE {} FROM {}_b",
            format!("{prefix}_b"),
            "it is no member",
        ),
        (
            "ALTER ROLE {}_a RESET role",
            format!("{prefix}_a"),
            "it does not act as the owner",
        ),
    ] {
        if !sql.is_empty() {
            roles.run(&sql.replace("{}", &prefix)).await;
        }
        for order in ["set", "clear"] {
            expect(&roles.job.run(order, &role), 78, text);
        }
    }
    connect(&roles.url("a", "first")).await.unwrap();
    roles.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_to_fail_has_its_exit_code() {
    let roles = Roles::new().await;
    let a = roles.role("a");
    expect(&roles.job.run("set", &a), 78, "verifier cannot be read");
    write(&roles.job.verifier_file(), "canary-in-clear");
    expect(&roles.job.run("set", &a), 78, "passwords are not taken");
    write(&roles.job.verifier_file(), &roles.verifier("canary").await);
    let quoted = roles.job.run("set", "a\"; DROP ROLE b; --");
    assert_eq!(quoted.status.code(), Some(2), "an argument that is none");

    roles
        .run(&format!(
            "ALTER ROLE {}_rotation NOCREATEROLE",
            roles.prefix
        ))
        .await;
    expect(&roles.job.run("set", &a), 65, "PostgreSQL refused to set");
    write(&roles.job.admin_file(), &roles.url("rotation", "canary"));
    expect(&roles.job.run("clear", &a), 75, "as the administrator");
    connect(&roles.url("a", "first")).await.unwrap();
    roles.drop().await;
}
