//! An app in which everything that can be many is there so many times.

use http::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::world::{PASSWORD, SETTINGS, World};

/// One call of an operation.
pub struct Call {
    pub method: Method,
    pub path: String,
    pub token: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<Value>,
}

impl Call {
    pub fn new(method: Method, path: impl Into<String>, token: &str) -> Self {
        Self {
            method,
            path: path.into(),
            token: token.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    pub fn with(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// With an Idempotency-Key, which costs statements.
    pub fn once(self) -> Self {
        let key = uuid::Uuid::new_v4().to_string();
        self.header("idempotency-key", key)
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Somebody who is signed in and has `size` roles, sessions, API keys, mails, codes, kept answers and events.
pub struct Person {
    pub id: String,
    pub email: String,
    pub token: String,
    pub refresh: String,
}

pub struct Stage {
    pub world: World,
    pub admin: String,
    pub size: usize,
    pub users: Vec<String>,
    pub roles: Vec<String>,
}

const KEPT_ANSWERS: &str = "
    INSERT INTO idempotency_keys (caller, operation, key, fingerprint, status, body, created_at, expires_at)
    SELECT $1::uuid, 'test', n::text, sha256('x'), 201, '{}', now(), now() + interval '1 hour'
    FROM generate_series(1, $2::int) n";
const SESSIONS: &str = "
    WITH opened AS (
        INSERT INTO sessions (id, user_id, created_at, expires_at)
        SELECT gen_random_uuid(), $1::uuid, now() - interval '1 hour', now() + interval '1 day'
        FROM generate_series(1, $2::int) RETURNING id)
    INSERT INTO refresh_tokens (id, session_id, token_hash, kid, issued_at, expires_at)
    SELECT gen_random_uuid(), id, sha256(id::text::bytea), 'k', now(), now() + interval '1 day' FROM opened";
const API_KEYS: &str = "
    INSERT INTO api_keys (id, user_id, name, handle, key_hash, scopes, created_at, expires_at)
    SELECT gen_random_uuid(), $1::uuid, 'key', substr(md5(random()::text), 1, 12),
           sha256(gen_random_uuid()::text::bytea), '{products.read}', now(), now() + interval '1 day'
    FROM generate_series(1, $2::int)";
const MAILS: &str = "
    INSERT INTO outbox (id, kind, user_id, address, facts, created_at, expires_at, next_attempt_at, failed_at)
    SELECT gen_random_uuid(), 'lockout', $1::uuid, 'stage@example.org', '{}', now(), now() + interval '1 day',
           now(), now()
    FROM generate_series(1, $2::int)";
const CODES: &str = "
    INSERT INTO email_tokens (id, user_id, purpose, token_hash, address, created_at, expires_at)
    SELECT gen_random_uuid(), $1::uuid, 'password_reset', sha256(gen_random_uuid()::text::bytea),
           'stage@example.org', now(), now() + interval '1 hour'
    FROM generate_series(1, $2::int)";
const ROLES: &str = "
    INSERT INTO user_roles (user_id, role_id, assigned_at)
    SELECT $1::uuid, id, now() FROM roles WHERE name LIKE 'stage %' AND $2::int > 0";

impl Stage {
    pub async fn new(size: usize) -> Self {
        let world = World::with(SETTINGS, None).await;
        let admin = world.admin().await;
        let mut stage = Self {
            world,
            admin,
            size,
            users: Vec::new(),
            roles: Vec::new(),
        };
        for n in 0..size {
            let permissions: Vec<_> = (0..size).map(|m| format!("area{m}.read")).collect();
            let role = json!({"name": format!("stage {n}"), "permissions": permissions});
            let role = stage.made("/api/v1/roles", role).await;
            stage.roles.push(role);
            stage.product(&format!("STAGE-{n}")).await;
        }
        for n in 0..size {
            let email = format!("member{n}@example.org");
            let user = stage.somebody(&email).await;
            stage.execute(ROLES, &user).await;
            stage.users.push(user);
            // An event under a key of this user's own.
            stage.world.login(&email, "wrong").await.expect(401);
        }
        stage
    }

    /// Runs a statement that takes a user and the size of the stage.
    async fn execute(&self, sql: &'static str, user: &str) {
        sqlx::query(sql)
            .bind(user)
            .bind(i32::try_from(self.size).unwrap())
            .execute(&self.world.state.database.pool())
            .await
            .unwrap();
    }

    /// The id of what a POST of the administrator makes.
    pub async fn made(&self, path: &str, body: Value) -> String {
        let answer = self.world.post(path, &self.admin, body).await.expect(201);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    pub async fn product(&self, sku: &str) -> String {
        self.made("/api/v1/products", product(sku)).await
    }

    pub async fn somebody(&self, email: &str) -> String {
        let body =
            json!({"email": email, "first_name": "Kim", "last_name": "Doe", "password": PASSWORD});
        self.made("/api/v1/users", body).await
    }

    /// A role of its own with so many holders.
    pub async fn role(&self) -> String {
        let name = uuid::Uuid::new_v4().simple().to_string();
        let role = json!({"name": name, "permissions": ["products.read"]});
        self.made("/api/v1/roles", role).await
    }

    pub async fn held_role(&self) -> String {
        let role = self.role().await;
        let held = "INSERT INTO user_roles (user_id, role_id, assigned_at)
                    SELECT id, $1::uuid, now() FROM users WHERE email LIKE 'member%' AND $2::int > 0";
        self.execute(held, &role).await;
        role
    }

    pub async fn person(&self) -> Person {
        let email = format!("{}@example.org", uuid::Uuid::new_v4().simple());
        let id = self.somebody(&email).await;
        for sql in [KEPT_ANSWERS, SESSIONS, API_KEYS, MAILS, CODES, ROLES] {
            self.execute(sql, &id).await;
        }
        for _ in 0..self.size.min(4) {
            self.world.login(&email, "wrong").await.expect(401);
        }
        let answer = self.world.signed_in(&email).await;
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        Person {
            token: text("access_token"),
            refresh: text("refresh_token"),
            id,
            email,
        }
    }

    /// A code as a mail would bring it.
    pub async fn mailed(&self, person: &Person, purpose: &str) -> String {
        let code = uuid::Uuid::new_v4().simple().to_string();
        sqlx::query(
            "INSERT INTO email_tokens (id, user_id, purpose, token_hash, address, created_at, expires_at)
             VALUES (gen_random_uuid(), $1::uuid, $2, $3, $4, now(), now() + interval '1 hour')",
        )
        .bind(&person.id)
        .bind(purpose)
        .bind(Sha256::digest(&code).to_vec())
        .bind(&person.email)
        .execute(&self.world.state.database.pool())
        .await
        .unwrap();
        code
    }
}

pub fn product(sku: &str) -> Value {
    json!({"sku": sku, "name": "Kettle", "price": "9.90", "currency": "EUR"})
}
