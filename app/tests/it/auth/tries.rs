//! P9 and P10 whatever is tried, by whom and from where: counted by Redis for two processes, and by a
//! process alone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use erpgo_test_kit::redis;
use http::{Request, header};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;

use crate::runtime::two_threads;
use crate::world::{ADMIN, Answer, PASSWORD, SETTINGS, World, listening, send};

/// Sign-ins that an address has in 15 minutes, and failures that lock a name for as long.
const SHARE: u32 = 5;
/// Names that are tried; nobody has the last one.
const NAMES: usize = 3;

/// One try to sign in.
#[derive(Clone, Debug)]
struct Try {
    process: usize,
    address: usize,
    name: usize,
    is_right: bool,
}

/// Enough for one name to be locked and for one address to have had its share, or for neither.
fn tries() -> impl Strategy<Value = Vec<Try>> {
    let name = prop_oneof![4 => Just(0), 1 => Just(1), 2 => Just(NAMES - 1)];
    let one = (0..2usize, 0..5usize, name, proptest::bool::weighted(0.2));
    let one = one.prop_map(|(process, address, name, is_right)| Try {
        process,
        address,
        name,
        is_right,
    });
    proptest::collection::vec(one, 4..28)
}

/// What P9 and P10 say of each try.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    SignedIn,
    Failed,
    /// Whether with the right password.
    Locked(bool),
    TooMany,
}

#[derive(Default)]
struct Model {
    admitted: HashMap<usize, u32>,
    failures: HashMap<usize, u32>,
}

impl Model {
    fn expects(&mut self, of: &Try) -> Expected {
        let admitted = self.admitted.entry(of.address).or_default();
        if *admitted == SHARE {
            return Expected::TooMany;
        }
        *admitted += 1;
        let failures = self.failures.entry(of.name).or_default();
        let is_right = of.is_right && of.name < NAMES - 1;
        if *failures == SHARE {
            return Expected::Locked(is_right);
        }
        if is_right {
            *failures = 0;
            return Expected::SignedIn;
        }
        *failures += 1;
        Expected::Failed
    }
}

/// Those that are tried in one case, and from where: nobody else is, or was.
struct Case(usize);

impl Case {
    fn email(&self, name: usize) -> String {
        format!("name{name}-of-{}@example.org", self.0)
    }

    /// People with the administrator's password; the last name stays nobody's.
    async fn people(&self, world: &World) {
        for name in 0..NAMES - 1 {
            let copy = "INSERT INTO users (id, email, first_name, last_name, password_hash, pepper_kid,
                                           created_at, updated_at)
                        SELECT gen_random_uuid(), $1, 'Kim', 'Doe', password_hash, pepper_kid, now(), now()
                        FROM users WHERE email = $2";
            let copied = sqlx::query(copy).bind(self.email(name)).bind(ADMIN);
            let pool = world.state.database.pool();
            assert_eq!(copied.execute(&pool).await.unwrap().rows_affected(), 1);
        }
    }

    async fn sends(&self, router: &Router, tried: &Try) -> Answer {
        let password = if tried.is_right { PASSWORD } else { "wrong" };
        let body = json!({"email": self.email(tried.name), "password": password});
        let (high, low) = (self.0 / 250, self.0 % 250);
        let request = Request::post("/api/v1/auth/login")
            .header(header::CONTENT_TYPE, "application/json")
            .header(
                "x-forwarded-for",
                format!("10.{high}.{low}.{}", tried.address),
            )
            .body(Body::from(body.to_string()));
        send(router, request.unwrap()).await
    }
}

/// At most the quarter of an hour that is left of it.
fn within_the_window(seconds: i64) -> bool {
    (600..=900).contains(&seconds)
}

fn holds(answer: &Answer, expected: &Expected) -> Result<(), TestCaseError> {
    match expected {
        Expected::SignedIn => prop_assert_eq!(answer.status.as_u16(), 200, "{}", answer.text),
        Expected::TooMany => {
            prop_assert_eq!(answer.code(), "RATE_LIMIT_EXCEEDED");
            let wait = answer.headers["retry-after"].to_str().unwrap();
            prop_assert!(within_the_window(wait.parse().unwrap()), "{wait}");
        }
        // Word for word the same: who tries learns nothing.
        Expected::Failed | Expected::Locked(_) => {
            prop_assert_eq!(answer.code(), "INVALID_CREDENTIALS");
            let opens = answer.json()["unlock_at"].as_str().unwrap().to_owned();
            let opens: jiff::Timestamp = opens.parse().unwrap();
            let left = (opens - jiff::Timestamp::now()).get_seconds();
            prop_assert!(within_the_window(left), "{left}");
        }
    }
    Ok(())
}

/// Holds `world` and its twins against the model in a hundred cases.
fn the_model_holds(runtime: &tokio::runtime::Runtime, world: &World, routers: &[Router]) {
    let (cases, locked, too_many) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let count = |of: &AtomicUsize| of.fetch_add(1, Ordering::Relaxed);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(100));
    let run = runner.run(&tries(), |tries| {
        let case = Case(count(&cases));
        runtime.block_on(case.people(world));
        let mut model = Model::default();
        for tried in &tries {
            let router = &routers[tried.process % routers.len()];
            let answer = runtime.block_on(case.sends(router, tried));
            let expected = model.expects(tried);
            match expected {
                Expected::Locked(true) => count(&locked),
                Expected::TooMany => count(&too_many),
                _ => 0,
            };
            holds(&answer, &expected)?;
        }
        Ok(())
    });
    run.unwrap();
    // Each refusal that matters was met: one that no case reaches would hold as well.
    let met = (locked.into_inner(), too_many.into_inner());
    assert!(met.0 >= 5 && met.1 >= 20, "{met:?}");
}

fn yaml() -> String {
    let limits = SETTINGS.replace("login_per_ip: 0", "login_per_ip: 5, lockout_failures: 5");
    format!("{limits}\nhttp: {{ trusted_proxies: [127.0.0.1] }}")
}

#[test]
fn p09_and_p10_hold_whatever_is_tried_without_redis() {
    let runtime = two_threads();
    let world = runtime.block_on(World::with(&yaml(), None));
    the_model_holds(&runtime, &world, std::slice::from_ref(&world.router));
    runtime.block_on(async { drop(world) });
}

/// Each try goes to either of two processes, so that what one of them counts alone would not do.
#[test]
fn p09_and_p10_hold_whatever_is_tried_by_redis_for_two_processes() {
    let runtime = two_threads();
    let (redis, world) = runtime.block_on(async {
        let redis = redis::server().await;
        let world = World::counting(&yaml(), &redis.url()).await;
        world.redis_is_listening().await;
        (redis, world)
    });
    let (state, twin, tasks) = runtime.block_on(async {
        let twin = world.twin(&yaml());
        listening(&twin.0).await;
        twin
    });
    the_model_holds(&runtime, &world, &[world.router.clone(), twin]);
    assert!(world.state.redis.is_up() && state.redis.is_up());
    runtime.block_on(async { drop((tasks, state, world, redis)) });
}
