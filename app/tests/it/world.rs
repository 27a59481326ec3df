//! One app with a database of its own, and the words that tests speak to it.

mod answer;
mod set;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use erpgo::cache;
use erpgo::config::{self, Settings, Sources};
use erpgo::db::{self, Database};
use erpgo::migrate::{Options, Runner, embedded};
use erpgo::secrets::Keyring;
use erpgo::shutdown::Phase;
use erpgo::state::AppState;
use erpgo::users::bootstrap::bootstrap_admin;
use erpgo_secret_set::{Document, Secret, SecretSet};
use erpgo_test_kit::postgres::TestDatabase;
use erpgo_test_kit::redis::{self, TestRedis};
use http::Method;
use serde_json::{Value, json};
use sqlx::Connection as _;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use answer::{Answer, access, begun, call, call_with, refresh_token, send, whole};
pub use erpgo_test_kit::development::SECRETS as DEV_SECRETS;
pub use set::{copy_keys, document, set, version};

pub const ADMIN: &str = "admin@example.org";
pub const PASSWORD: &str = "purple otters juggle kelp";

/// Hashes cost next to nothing, and the address limit is out of the way unless a test wants it.
pub const SETTINGS: &str = "
auth: { hash_memory_kib: 8, hash_iterations: 1, hash_concurrency: 2 }
limits: { login_per_ip: 0 }
database: { max_connections: 4, acquire_timeout: 5s }
";

pub struct World {
    pub database: TestDatabase,
    pub state: AppState,
    pub router: Router,
    _tasks: DropGuard,
}

/// A database at the current schema.
pub async fn database() -> TestDatabase {
    // The migrations make the parts of the audit log from this month on.
    let name = jiff::Timestamp::now().strftime("app_%Y_%m").to_string();
    TestDatabase::template(&name, async |url: String| {
        let mut connection = sqlx::PgConnection::connect(&url).await?;
        Runner::new(embedded()?, Options::default())
            .run(&mut connection, &mut Vec::new())
            .await?;
        connection.close().await?;
        Ok(())
    })
    .await
}

/// Settings from YAML, as the program reads them.
pub fn settings(yaml: &str) -> Settings {
    use std::io::Write as _;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(yaml.as_bytes()).unwrap();
    config::load(&Sources {
        file: file.path().to_owned(),
        required: true,
    })
    .unwrap()
}

/// A process that serves: its state, its routes, and its tasks, which end with the guard.
pub fn serving(settings: Settings, set: SecretSet) -> (AppState, Router, DropGuard) {
    let pool = db::lazy_pool(&set.keys.database.current.value, &settings.database).unwrap();
    let state = AppState::new(settings, Keyring::new(set), Database::new(pool));
    state.lifecycle.advance(Phase::Serving);
    let stop = CancellationToken::new();
    tokio::spawn(cache::supervise(
        state.redis.clone(),
        state.keyring.clone(),
        state.sessions.clone(),
        stop.clone(),
    ));
    (
        state.clone(),
        erpgo::router::router(state),
        stop.drop_guard(),
    )
}

impl World {
    pub async fn new() -> Self {
        Self::with(SETTINGS, None).await
    }

    pub async fn with(yaml: &str, redis: Option<&str>) -> Self {
        let database = database().await;
        let document = document(&database.url(), redis);
        Self::on(database, set(document), yaml).await
    }

    /// One that waits for what Redis has counted as long as it takes: on a busy machine an answer may be late,
    /// and the process would count by itself.
    pub async fn counting(yaml: &str, redis: &str) -> Self {
        Self::waiting(yaml, redis, Duration::from_secs(10)).await
    }

    /// One that waits `deadline` for any one answer of Redis.
    pub async fn waiting(yaml: &str, redis: &str, deadline: Duration) -> Self {
        let database = database().await;
        let document = document(&database.url(), Some(redis));
        let mut settings = settings(yaml);
        settings.redis.deadline = deadline;
        Self::begin(database, set(document), settings).await
    }

    /// One that has heard from a Redis of its own.
    pub async fn with_redis() -> (TestRedis, Self) {
        let redis = redis::server().await;
        let world = Self::with(SETTINGS, Some(&redis.url())).await;
        world.redis_is_listening().await;
        (redis, world)
    }

    /// The same, and it is [`Self::counting`].
    pub async fn counting_with_redis() -> (TestRedis, Self) {
        let redis = redis::server().await;
        let world = Self::counting(SETTINGS, &redis.url()).await;
        world.redis_is_listening().await;
        (redis, world)
    }

    /// An app on this database and set; the administrator exists in it.
    pub async fn on(database: TestDatabase, set: SecretSet, yaml: &str) -> Self {
        Self::begin(database, set, settings(yaml)).await
    }

    async fn begin(database: TestDatabase, set: SecretSet, settings: Settings) -> Self {
        let (state, router, tasks) = serving(settings, set);
        let world = Self {
            database,
            state,
            router,
            _tasks: tasks,
        };
        world.bootstrap().await;
        world
    }

    async fn bootstrap(&self) {
        let mut connection = sqlx::PgConnection::connect(&self.database.url())
            .await
            .unwrap();
        let set = self.state.keyring.current();
        let password = Secret::new(PASSWORD.to_owned());
        bootstrap_admin(&mut connection, set, &self.state.hasher, ADMIN, password)
            .await
            .unwrap();
    }

    /// A second process on the same database, set and Redis.
    pub fn twin(&self, yaml: &str) -> (AppState, Router, DropGuard) {
        self.twin_by(yaml, None)
    }

    /// A second process that reaches Redis by another `redis` URL, and waits for it as long.
    pub fn twin_by(&self, yaml: &str, redis: Option<&str>) -> (AppState, Router, DropGuard) {
        let set = self.state.keyring.current();
        let mut settings = settings(yaml);
        settings.redis.deadline = self.state.settings.redis.deadline;
        let mut copy = Document {
            generation: set.generation,
            keys: copy_keys(&set.keys),
            prepared: std::collections::BTreeMap::new(),
        };
        if let (Some(url), Some(key)) = (redis, &mut copy.keys.redis) {
            key.current.value = Secret::new(url.to_owned());
        }
        serving(settings, self::set(copy))
    }

    pub async fn redis_is_listening(&self) {
        listening(&self.state).await;
    }

    pub async fn call(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> Answer {
        call(&self.router, method, path, token, body).await
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.call(Method::GET, path, token, None).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.call(Method::POST, path, token, Some(body)).await
    }

    pub async fn put(&self, path: &str, token: &str, body: Value) -> Answer {
        self.call(Method::PUT, path, token, Some(body)).await
    }

    pub async fn delete(&self, path: &str, token: &str) -> Answer {
        self.call(Method::DELETE, path, token, None).await
    }

    pub async fn login(&self, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        self.post("/api/v1/auth/login", "", body).await
    }

    /// The answer of a sign-in that succeeds.
    pub async fn signed_in(&self, email: &str) -> Value {
        self.login(email, PASSWORD).await.expect(200).json()
    }

    pub async fn admin(&self) -> String {
        access(&self.signed_in(ADMIN).await)
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        self.post("/api/v1/auth/refresh", "", json!({"refresh_token": token}))
            .await
    }

    /// What a refresh that succeeds makes of `answer`, which came before it.
    pub async fn renewed(&self, answer: &Value) -> Value {
        let answer = self.refresh(&refresh_token(answer)).await;
        answer.expect(200).json()
    }

    /// Asks for a mail by which the password can be set anew.
    pub async fn forgot(&self, email: &str) -> Answer {
        self.post("/api/v1/auth/forgot-password", "", json!({"email": email}))
            .await
    }

    /// A user with these permissions, by a role of their own; the answer is id and access token.
    pub async fn user(&self, email: &str, permissions: &[&str]) -> (String, String) {
        let admin = self.admin().await;
        let body =
            json!({"email": email, "first_name": "Kim", "last_name": "Doe", "password": PASSWORD});
        let user = self
            .post("/api/v1/users", &admin, body)
            .await
            .expect(201)
            .json();
        let id = user["id"].as_str().unwrap().to_owned();
        if !permissions.is_empty() {
            let name = format!("role of {}", email.replace('@', " at "));
            let role = json!({"name": name, "permissions": permissions});
            let role = self
                .post("/api/v1/roles", &admin, role)
                .await
                .expect(201)
                .json();
            let body = json!({"user_id": id, "role_id": role["id"]});
            self.post("/api/v1/roles/assign", &admin, body)
                .await
                .expect(204);
        }
        (id, access(&self.signed_in(email).await))
    }
}

/// The task that hears of changes from PostgreSQL, as `serve` runs it; it hears when this returns.
pub async fn hearing(state: &AppState) -> DropGuard {
    let stop = CancellationToken::new();
    tokio::spawn(erpgo::auth::hear::run(state.clone(), stop.clone()));
    until("changes are heard of", || async { state.sessions.hears() }).await;
    stop.drop_guard()
}

/// The settings of the tests with more limits.
pub fn limits(more: &str) -> String {
    SETTINGS.replace("login_per_ip: 0", &format!("login_per_ip: 0, {more}"))
}

pub async fn listening(state: &AppState) {
    until("redis is connected", || async {
        state.redis.is_listening()
    })
    .await;
}

/// Waits for a condition, at most half a minute: other tests may have the machine meanwhile.
pub async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let limit = std::time::Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(std::time::Instant::now() < limit, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What is shared between the threads of a test.
pub fn shared(world: World) -> Arc<World> {
    Arc::new(world)
}
