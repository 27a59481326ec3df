//! One app with a database of its own, and the words that tests speak to it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use erpgo::cache;
use erpgo::config::{self, Settings, Sources};
use erpgo::db::{self, Database};
use erpgo::migrate::{Options, Runner, embedded};
use erpgo::secrets::Keyring;
use erpgo::shutdown::Phase;
use erpgo::state::AppState;
use erpgo::users::bootstrap::bootstrap_admin;
use erpgo_secret_set::{DatabaseUrl, Document, RedisUrl, Secret, SecretSet, first_generation};
use erpgo_test_kit::postgres::TestDatabase;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use sqlx::Connection as _;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt as _;

pub const ADMIN: &str = "admin@example.org";
pub const PASSWORD: &str = "purple otters juggle kelp";

/// Hashes cost next to nothing, and the address limit is out of the way unless a test wants it.
pub const SETTINGS: &str = "
auth: { hash_memory_kib: 8, hash_iterations: 1, hash_concurrency: 2 }
limits: { login_per_ip: 0 }
database: { max_connections: 4, acquire_timeout: 5s }
";

/// What the program takes from the environment in development; `DATABASE_URL` is each test's own.
pub const DEV_SECRETS: [(&str, &str); 4] = [
    ("ERPGO_DEV_SECRETS", "env"),
    (
        "JWT_SECRET",
        "mU3xQ9vT1zL7pW5kR2nB8cD4fG6hJ0sYaEoIuXtVrNqAbCd",
    ),
    (
        "REFRESH_SECRET",
        "Zk4uP0yH8wC2mS6bF1xJ5vN9tR3dL7gQaTeYiWoUzXpAbCd",
    ),
    ("PASSWORD_PEPPER", "b7VhK2sXw9RfTq4Lm1Zc"),
];

pub struct World {
    pub database: TestDatabase,
    pub state: AppState,
    pub router: Router,
    _tasks: DropGuard,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status.as_u16(), &*self.code()),
            (status, code),
            "{}",
            self.text
        );
    }
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

/// A fresh set whose values no other test has.
pub fn document(database: &str, redis: Option<&str>) -> Document {
    let mut random = [0u8; 192];
    for chunk in random.chunks_mut(16) {
        chunk.copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    }
    let redis = redis.map(|url| RedisUrl(Secret::new(url.to_owned())));
    let database = DatabaseUrl(Secret::new(database.to_owned()));
    first_generation(&random, jiff::Timestamp::now(), database, redis)
}

pub fn set(document: Document) -> SecretSet {
    SecretSet::new(document.generation, document.keys).unwrap()
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
        let database = database().await;
        let document = document(&database.url(), Some(redis));
        let mut settings = settings(yaml);
        settings.redis.deadline = std::time::Duration::from_secs(10);
        Self::begin(database, set(document), settings).await
    }

    /// An app on this database and set; the administrator exists in it.
    pub async fn on(database: TestDatabase, set: SecretSet, yaml: &str) -> Self {
        Self::begin(database, set, settings(yaml)).await
    }

    async fn begin(database: TestDatabase, set: SecretSet, settings: Settings) -> Self {
        let url = Secret::new(set.keys.database.current.value.expose_secret().to_owned());
        let pool = db::lazy_pool(&url, &settings.database).unwrap();
        let state = AppState::new(settings, Keyring::new(set), Database::new(pool));
        state.lifecycle.advance(Phase::Serving);
        let stop = CancellationToken::new();
        tokio::spawn(cache::supervise(
            state.redis.clone(),
            state.keyring.clone(),
            state.sessions.clone(),
            stop.clone(),
        ));
        let world = Self {
            router: erpgo::router::router(state.clone()),
            database,
            state,
            _tasks: stop.drop_guard(),
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
        let pool = db::lazy_pool(&set.keys.database.current.value, &settings.database).unwrap();
        let mut copy = Document {
            generation: set.generation,
            keys: copy_keys(&set.keys),
            prepared: std::collections::BTreeMap::new(),
        };
        if let (Some(url), Some(key)) = (redis, &mut copy.keys.redis) {
            key.current.value = Secret::new(url.to_owned());
        }
        let keyring = Keyring::new(self::set(copy));
        let state = AppState::new(settings, keyring, Database::new(pool));
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

pub fn copy_keys(keys: &erpgo_secret_set::Keys) -> erpgo_secret_set::Keys {
    erpgo_secret_set::Keys {
        jwt: copy(&keys.jwt),
        refresh: copy(&keys.refresh),
        pepper: copy(&keys.pepper),
        database: copy(&keys.database),
        redis: keys.redis.as_ref().map(copy),
    }
}

fn copy(key: &erpgo_secret_set::RotatingKey) -> erpgo_secret_set::RotatingKey {
    erpgo_secret_set::RotatingKey {
        current: version(&key.current),
        next: key.next.as_ref().map(version),
        previous: key.previous.as_ref().map(version),
    }
}

pub fn version(version: &erpgo_secret_set::Version) -> erpgo_secret_set::Version {
    erpgo_secret_set::Version {
        kid: version.kid.clone(),
        created_at: version.created_at,
        not_after: version.not_after,
        value: version.value.duplicate(),
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
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !condition().await {
        assert!(std::time::Instant::now() < limit, "never: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

pub fn access(answer: &Value) -> String {
    answer["access_token"].as_str().unwrap().to_owned()
}

pub async fn call(
    router: &Router,
    method: Method,
    path: &str,
    token: &str,
    body: Option<Value>,
) -> Answer {
    call_with(router, (method, path), token, &[], body.as_ref()).await
}

/// As [`call`], with headers.
pub async fn call_with(
    router: &Router,
    (method, path): (Method, &str),
    token: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = match body {
        Some(body) => {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Body::from(body.to_string())
        }
        None => Body::empty(),
    };
    send(router, request.body(body).unwrap()).await
}

pub async fn send(router: &Router, mut request: Request<Body>) -> Answer {
    let peer: SocketAddr = ([127, 0, 0, 1], 40_000).into();
    if request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .is_none()
    {
        request.extensions_mut().insert(ConnectInfo(peer));
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let answer = Answer {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8_lossy(&bytes).into_owned(),
    };
    crate::conform::check(&method, &path, &answer);
    answer
}

/// What is shared between the threads of a test.
pub fn shared(world: World) -> Arc<World> {
    Arc::new(world)
}
