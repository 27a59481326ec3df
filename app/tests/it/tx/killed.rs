//! A write happens once, whenever the process is killed.

use std::time::Duration;

use erpgo_test_kit::Signal;
use erpgo_test_kit::postgres::TestDatabase;
use serde_json::json;

use super::wire::Wire;
use crate::program::{Program, post, start};
use crate::world::{Answer, DEV_SECRETS, access, until};

/// With one connection every request after the first finds its statements prepared: each answer of the
/// database is one statement, and all requests have the same number of them.
pub const CONFIG: &str = "
auth: { hash_memory_kib: 8, hash_iterations: 1 }
limits: { login_per_ip: 0 }
audit: { seal_every: 1h }
database: { max_connections: 1 }
";

/// The administrator, created as a deployment does it.
pub async fn administrator(url: &str) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("email"), "root@example.org").unwrap();
    std::fs::write(directory.path().join("password"), "correct horse battery").unwrap();
    let status = tokio::process::Command::new(env!("CARGO_BIN_EXE_erpgo"))
        .arg("migrate")
        .env_clear()
        .envs(DEV_SECRETS)
        .env("DATABASE_URL", url)
        .env("ERPGO_BOOTSTRAP_DIR", directory.path())
        .env("ERPGO_AUTH__HASH_MEMORY_KIB", "8")
        .stdout(std::process::Stdio::null())
        .status()
        .await
        .unwrap();
    assert!(status.success());
}

pub async fn sign_in(program: &Program) -> String {
    let body = json!({"email": "root@example.org", "password": "correct horse battery"});
    let answer = post(program.api, "/api/v1/auth/login", "", &body).await;
    access(&answer.unwrap().expect(200).json())
}

/// The write whose process is killed after the `n`th answer of the database.
struct Attempt<'a> {
    n: i64,
    token: &'a str,
}

impl Attempt<'_> {
    fn sku(&self) -> String {
        format!("S-{}", self.n)
    }

    async fn send(&self, program: &Program) -> Option<Answer> {
        let headers = format!(
            "authorization: Bearer {}\r\nidempotency-key: k-{}\r\n",
            self.token, self.n
        );
        let body = json!({"sku": self.sku(), "name": "Chair", "price": "1", "currency": "EUR"});
        post(program.api, "/api/v1/products", &headers, &body).await
    }

    /// Ids of the products that it made, and the number of answers that are stored for it.
    async fn effects(&self, pool: &sqlx::PgPool) -> (Vec<String>, i64) {
        let ids = sqlx::query_scalar("SELECT id::text FROM products WHERE sku = $1")
            .bind(self.sku())
            .fetch_all(pool)
            .await
            .unwrap();
        let answers = sqlx::query_scalar("SELECT count(*) FROM idempotency_keys WHERE key = $1")
            .bind(format!("k-{}", self.n))
            .fetch_one(pool)
            .await
            .unwrap();
        (ids, answers)
    }

    /// The same request again: one effect, and the answer that belongs to it.
    async fn repeat(&self, program: &Program, pool: &sqlx::PgPool) {
        let (before, _) = self.effects(pool).await;
        let answer = self.send(program).await.unwrap();
        assert_eq!(answer.status, 201, "{}: {}", self.n, answer.text);
        let replayed = answer.headers.get("idempotency-replayed");
        let replayed = replayed.is_some_and(|value| value == "true");
        assert_eq!(
            replayed,
            before.len() == 1,
            "{}: {:?}",
            self.n,
            answer.headers
        );
        let made = answer.json();
        let (after, answers) = self.effects(pool).await;
        assert_eq!(
            (after, answers),
            (vec![made["id"].as_str().unwrap().to_owned()], 1)
        );
        let again = self.send(program).await.unwrap();
        assert_eq!((again.status.as_u16(), again.json()), (201, made));
    }
}

async fn sessions_have_ended(database: &TestDatabase) {
    let pool = sqlx::PgPool::connect(&database.admin_url()).await.unwrap();
    until("the server has noticed", || async {
        sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'erpgo'",
        )
        .fetch_one(&pool)
        .await
        .unwrap()
            == 0
    })
    .await;
    pool.close().await;
}

/// Exactly once: killed after every single answer of the database, the write is there whole or not at
/// all, and the repeat gets the first answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_once_a_write_killed_at_every_statement_has_one_effect_or_none() {
    let database = crate::world::database().await;
    administrator(&database.url()).await;
    let pool = sqlx::PgPool::connect(&database.url()).await.unwrap();
    let wire = Wire::to(database.address()).await;
    let url = wire.url(&database.url());
    let mut program = start(&url, CONFIG);
    program.is_ready().await;
    let (mut none, mut whole) = (0, 0);
    for n in 1.. {
        assert!(n < 60, "a write has no {n} statements");
        // A session that no process remembers: however slow the machine is, each attempt looks it up and
        // so has as many statements as the others.
        let token = sign_in(&program).await;
        let attempt = Attempt { n, token: &token };
        wire.stop_at(n);
        let answered = tokio::select! {
            answer = attempt.send(&program) => Some(answer.unwrap()),
            () = wire.reached() => None,
        };
        if let Some(answer) = answered {
            // The request needs fewer statements than `n`: every one of them has had its turn.
            answer.expect(201);
            break;
        }
        program.process.signal(Signal::KILL).unwrap();
        program.process.wait(Duration::from_secs(20)).await.unwrap();
        wire.pass();
        sessions_have_ended(&database).await;
        match attempt.effects(&pool).await {
            (ids, 0) if ids.is_empty() => none += 1,
            (ids, 1) if ids.len() == 1 => whole += 1,
            torn => panic!("killed after answer {n}: {torn:?}"),
        }
        program = start(&url, CONFIG);
        program.is_ready().await;
        attempt.repeat(&program, &pool).await;
    }
    // BEGIN, the lock, the look-up, the product, the sweep, the answer: all before the commit.
    assert!(none >= 6, "{none} kills before the commit");
    assert!(whole >= 1, "no kill between the commit and the answer");
}
