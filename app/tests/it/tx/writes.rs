//! Writes that are sent again: what each leaves in the database and how its repeat is answered.
//!
//! The `n`th try of each is about a thing of its own.

pub mod roles;

use std::net::SocketAddr;

use http::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::PgPool;

use crate::program::ask;
use crate::world::{Answer, PASSWORD};

/// Where a write is sent, and the access token that it is sent with.
pub type Place<'a> = (SocketAddr, &'a str);

pub trait Write {
    /// Makes what the `n`th try is about.
    async fn prepare(&mut self, _pool: &PgPool, _n: i64) {}

    async fn send(&self, place: Place<'_>, n: i64) -> Option<Answer>;

    /// How often each part of the effect is there: all of them once, or none.
    async fn effects(&self, pool: &PgPool, n: i64) -> Vec<i64>;

    /// Asserts that `answer` is that of the first request with an effect, or that of its repeat.
    async fn judge(&self, pool: &PgPool, n: i64, answer: &Answer, repeated: bool);
}

async fn sent(
    (api, token): Place<'_>,
    call: (Method, &str),
    headers: &str,
    body: &Value,
) -> Option<Answer> {
    let headers =
        format!("content-type: application/json\r\nauthorization: Bearer {token}\r\n{headers}");
    ask(api, call, &headers, &body.to_string()).await
}

/// One number for each statement, which take `value`.
async fn counts<const N: usize>(
    pool: &PgPool,
    statements: [&'static str; N],
    value: &str,
) -> Vec<i64> {
    let mut counts = Vec::new();
    for sql in statements {
        let count = sqlx::query_scalar(sql).bind(value).fetch_one(pool).await;
        counts.push(count.unwrap());
    }
    counts
}

/// POST /products with a key: the repeat gets the answer that belongs to the effect.
pub struct NewProduct;

impl Write for NewProduct {
    async fn send(&self, place: Place<'_>, n: i64) -> Option<Answer> {
        let body =
            json!({"sku": format!("S-{n}"), "name": "Chair", "price": "1", "currency": "EUR"});
        let key = format!("idempotency-key: S-{n}\r\n");
        sent(place, (Method::POST, "/api/v1/products"), &key, &body).await
    }

    async fn effects(&self, pool: &PgPool, n: i64) -> Vec<i64> {
        let statements = [
            "SELECT count(*) FROM products WHERE sku = $1",
            "SELECT count(*) FROM idempotency_keys WHERE key = $1",
        ];
        counts(pool, statements, &format!("S-{n}")).await
    }

    async fn judge(&self, pool: &PgPool, n: i64, answer: &Answer, repeated: bool) {
        is_made(answer, n, repeated);
        let id: String = sqlx::query_scalar("SELECT id::text FROM products WHERE sku = $1")
            .bind(format!("S-{n}"))
            .fetch_one(pool)
            .await
            .unwrap();
        assert_eq!(answer.json()["id"], id, "{n}");
    }
}

/// The answer to a request that made something, or to its repeat.
fn is_made(answer: &Answer, n: i64, repeated: bool) {
    assert_eq!(answer.status, 201, "{n}: {}", answer.text);
    assert_eq!(answer.is_replayed(), repeated, "{n}: {:?}", answer.headers);
}

fn user(n: i64) -> Value {
    json!({"email": format!("user{n}@example.org"), "first_name": "Kim", "last_name": "Doe",
        "password": PASSWORD})
}

/// POST /users: the row, the letter that asks for a proof of the address, and the note of it.
pub struct NewUser;

impl Write for NewUser {
    async fn send(&self, place: Place<'_>, n: i64) -> Option<Answer> {
        sent(place, (Method::POST, "/api/v1/users"), "", &user(n)).await
    }

    async fn effects(&self, pool: &PgPool, n: i64) -> Vec<i64> {
        let statements = [
            "SELECT count(*) FROM users WHERE email = $1",
            "SELECT count(*) FROM outbox WHERE address = $1",
            // A note of nobody who is there would be one of this user, whom nothing else is left of.
            "SELECT count(*) FROM audit_events e LEFT JOIN users u ON e.target = 'user:' || u.id::text
             WHERE e.action = 'user.created' AND (u.id IS NULL OR u.email = $1)",
        ];
        counts(pool, statements, &format!("user{n}@example.org")).await
    }

    async fn judge(&self, _: &PgPool, n: i64, answer: &Answer, repeated: bool) {
        match repeated {
            true => answer.refused(409, "DUPLICATE_EMAIL"),
            false => assert_eq!(answer.status, 201, "{n}: {}", answer.text),
        }
    }
}

/// POST /users with a key: the answer is kept beside the row, the letter and the note of it.
pub struct NewUserOnce;

impl Write for NewUserOnce {
    async fn send(&self, place: Place<'_>, n: i64) -> Option<Answer> {
        let key = format!("idempotency-key: user{n}@example.org\r\n");
        sent(place, (Method::POST, "/api/v1/users"), &key, &user(n)).await
    }

    async fn effects(&self, pool: &PgPool, n: i64) -> Vec<i64> {
        let kept = "SELECT count(*) FROM idempotency_keys WHERE key = $1";
        let mut effects = NewUser.effects(pool, n).await;
        effects.extend(counts(pool, [kept], &format!("user{n}@example.org")).await);
        effects
    }

    async fn judge(&self, pool: &PgPool, n: i64, answer: &Answer, repeated: bool) {
        is_made(answer, n, repeated);
        let id: String = sqlx::query_scalar("SELECT id::text FROM users WHERE email = $1")
            .bind(format!("user{n}@example.org"))
            .fetch_one(pool)
            .await
            .unwrap();
        assert_eq!(answer.json()["id"], id, "{n}");
        assert_eq!(answer.headers["location"], format!("/api/v1/users/{id}"));
    }
}

/// POST /api-keys with a key: whoever repeats it gets the API key whose hash is stored.
pub struct NewApiKey;

impl Write for NewApiKey {
    /// Nobody has more than ten.
    async fn prepare(&mut self, pool: &PgPool, _: i64) {
        let gone = sqlx::query("DELETE FROM api_keys").execute(pool).await;
        gone.unwrap();
    }

    async fn send(&self, place: Place<'_>, n: i64) -> Option<Answer> {
        let body = json!({"name": format!("K-{n}"), "scopes": ["users.read"]});
        let key = format!("idempotency-key: K-{n}\r\n");
        sent(place, (Method::POST, "/api/v1/api-keys"), &key, &body).await
    }

    async fn effects(&self, pool: &PgPool, n: i64) -> Vec<i64> {
        let statements = [
            "SELECT count(*) FROM api_keys WHERE name = $1",
            "SELECT count(*) FROM idempotency_keys WHERE key = $1",
            "SELECT count(*) FROM audit_events e JOIN api_keys k ON e.target = 'api_key:' || k.id::text
             WHERE e.action = 'api_key.created' AND k.name = $1",
        ];
        counts(pool, statements, &format!("K-{n}")).await
    }

    async fn judge(&self, pool: &PgPool, n: i64, answer: &Answer, repeated: bool) {
        is_made(answer, n, repeated);
        let hash: Vec<u8> = sqlx::query_scalar("SELECT key_hash FROM api_keys WHERE name = $1")
            .bind(format!("K-{n}"))
            .fetch_one(pool)
            .await
            .unwrap();
        let made = answer.json();
        let given = Sha256::digest(made["key"].as_str().unwrap());
        assert_eq!(given.to_vec(), hash, "{n}");
    }
}

/// PUT /products/{id} of the version that was read.
#[derive(Default)]
pub struct Change {
    id: String,
}

impl Write for Change {
    async fn prepare(&mut self, pool: &PgPool, n: i64) {
        self.id = sqlx::query_scalar(
            "INSERT INTO products (id, sku, name, price, currency, active, created_at, updated_at)
             VALUES (gen_random_uuid(), $1, 'Chair', 1, 'EUR', true, now(), now()) RETURNING id::text",
        )
        .bind(format!("S-{n}"))
        .fetch_one(pool)
        .await
        .unwrap();
    }

    async fn send(&self, place: Place<'_>, n: i64) -> Option<Answer> {
        let body =
            json!({"sku": format!("S-{n}"), "name": "Stool", "price": "1", "currency": "EUR"});
        let path = format!("/api/v1/products/{}", self.id);
        let version = "if-match: \"v1\"\r\n";
        sent(place, (Method::PUT, &path), version, &body).await
    }

    async fn effects(&self, pool: &PgPool, n: i64) -> Vec<i64> {
        let statements = [
            "SELECT count(*) FROM products WHERE sku = $1 AND name = 'Stool'",
            "SELECT version - 1 FROM products WHERE sku = $1",
        ];
        counts(pool, statements, &format!("S-{n}")).await
    }

    async fn judge(&self, _: &PgPool, n: i64, answer: &Answer, repeated: bool) {
        match repeated {
            true => answer.refused(412, "PRECONDITION_FAILED"),
            false => {
                assert_eq!(answer.status, 200, "{n}: {}", answer.text);
                assert_eq!(answer.headers["etag"], "\"v2\"", "{n}");
            }
        }
    }
}
