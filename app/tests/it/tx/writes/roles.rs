//! Writes of roles that are sent again, each with a key.

use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{Place, Write, counts, is_made, sent};
use crate::world::Answer;

/// Every user begins with the first epoch.
const EPOCH: &str = "SELECT auth_epoch - 1 FROM users WHERE email = $1";
const KEPT: &str = "SELECT count(*) FROM idempotency_keys WHERE key = $1";

/// POST /roles: the role and the note of it.
pub struct NewRole;

impl Write for NewRole {
    async fn send(&self, place: Place<'_>, n: i64) -> Option<Answer> {
        let body = json!({"name": format!("R-{n}"), "permissions": ["products.read"]});
        let key = format!("idempotency-key: R-{n}\r\n");
        sent(place, (Method::POST, "/api/v1/roles"), &key, &body).await
    }

    async fn effects(&self, pool: &PgPool, n: i64) -> Vec<i64> {
        let statements = [
            "SELECT count(*) FROM roles WHERE name = $1",
            KEPT,
            // A note of no role that is there would be one of this role, which nothing else is left of.
            "SELECT count(*) FROM audit_events e LEFT JOIN roles r ON e.target = 'role:' || r.id::text
             WHERE e.action = 'role.created' AND (r.id IS NULL OR r.name = $1)",
        ];
        counts(pool, statements, &format!("R-{n}")).await
    }

    async fn judge(&self, pool: &PgPool, n: i64, answer: &Answer, repeated: bool) {
        is_made(answer, n, repeated);
        let id: String = sqlx::query_scalar("SELECT id::text FROM roles WHERE name = $1")
            .bind(format!("R-{n}"))
            .fetch_one(pool)
            .await
            .unwrap();
        assert_eq!(answer.json()["id"], id, "{n}");
        assert_eq!(answer.headers["location"], format!("/api/v1/roles/{id}"));
        assert_eq!(answer.headers["etag"], "\"v1\"", "{n}");
    }
}

/// The e-mail of the `n`th user, which is the name of their role and the key of what is sent of the two, too.
fn kim(n: i64) -> String {
    format!("kim{n}@example.org")
}

/// A user and a role, as both routes name them.
async fn pair(pool: &PgPool, n: i64) -> Value {
    let (user, role): (String, String) = sqlx::query_as(
        "WITH u AS (INSERT INTO users (id, email, first_name, last_name, password_hash, pepper_kid,
                                       created_at, updated_at)
                    VALUES (gen_random_uuid(), $1, 'Kim', 'Doe', 'x', 'k', now(), now()) RETURNING id),
              r AS (INSERT INTO roles (id, name, permissions, created_at, updated_at)
                    VALUES (gen_random_uuid(), $1, '{products.read}', now(), now()) RETURNING id)
         SELECT u.id::text, r.id::text FROM u, r",
    )
    .bind(kim(n))
    .fetch_one(pool)
    .await
    .unwrap();
    json!({"user_id": user, "role_id": role})
}

/// POST /roles/assign or /roles/remove: whether the user has the role, the user's epoch and the note of it.
pub struct Membership {
    path: &'static str,
    /// Before the request, so that it changes something.
    has_role: bool,
    /// How often the change is there.
    is_changed: &'static str,
    is_noted: &'static str,
    pair: Value,
}

impl Membership {
    pub fn assign() -> Self {
        Self {
            path: "/api/v1/roles/assign",
            has_role: false,
            is_changed: "SELECT count(*) FROM user_roles ur JOIN users u ON u.id = ur.user_id
                         WHERE u.email = $1",
            is_noted: "SELECT count(*) FROM audit_events e JOIN users u ON e.target = 'user:' || u.id::text
                       WHERE e.action = 'role.assigned' AND u.email = $1",
            pair: Value::Null,
        }
    }

    pub fn remove() -> Self {
        Self {
            path: "/api/v1/roles/remove",
            has_role: true,
            is_changed: "SELECT count(*) FROM users u WHERE u.email = $1
                         AND NOT EXISTS (SELECT 1 FROM user_roles ur WHERE ur.user_id = u.id)",
            is_noted: "SELECT count(*) FROM audit_events e JOIN users u ON e.target = 'user:' || u.id::text
                       WHERE e.action = 'role.removed' AND u.email = $1",
            pair: Value::Null,
        }
    }
}

impl Write for Membership {
    async fn prepare(&mut self, pool: &PgPool, n: i64) {
        self.pair = pair(pool, n).await;
        if self.has_role {
            give(pool, n).await;
        }
    }

    async fn send(&self, place: Place<'_>, n: i64) -> Option<Answer> {
        let key = format!("idempotency-key: {}\r\n", kim(n));
        sent(place, (Method::POST, self.path), &key, &self.pair).await
    }

    async fn effects(&self, pool: &PgPool, n: i64) -> Vec<i64> {
        counts(pool, [self.is_changed, EPOCH, KEPT, self.is_noted], &kim(n)).await
    }

    async fn judge(&self, _: &PgPool, n: i64, answer: &Answer, repeated: bool) {
        assert_eq!(answer.status, 204, "{n}: {}", answer.text);
        assert_eq!(answer.is_replayed(), repeated, "{n}: {:?}", answer.headers);
    }
}

/// Gives the `n`th user their role, without a note of it.
async fn give(pool: &PgPool, n: i64) {
    sqlx::query(
        "INSERT INTO user_roles (user_id, role_id, assigned_at)
         SELECT u.id, r.id, now() FROM users u JOIN roles r ON r.name = u.email WHERE u.email = $1",
    )
    .bind(kim(n))
    .execute(pool)
    .await
    .unwrap();
}
