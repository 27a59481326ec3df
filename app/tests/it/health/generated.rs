//! Generated outages: PostgreSQL and Redis are cut off, silent and back, each by itself (P13).

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use erpgo::shutdown::Phase;
use erpgo_test_kit::postgres::{self, TestDatabase};
use erpgo_test_kit::proxy::{self, Proxy, Reach};
use erpgo_test_kit::redis::{self, TestRedis};
use http::Method;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::runtime::two_threads;
use crate::world::{Answer, call, document, serving, set, settings, until};

#[derive(Clone, Copy, Debug)]
struct Step {
    database: Reach,
    redis: Reach,
}

/// A silent database is as rare as it is slow: it takes readiness most of a second.
fn step() -> impl Strategy<Value = Step> {
    let database = prop_oneof![
        13 => Just(Reach::Open),
        6 => Just(Reach::Cut),
        1 => Just(Reach::Silent),
    ];
    let redis = prop_oneof![Just(Reach::Open), Just(Reach::Cut), Just(Reach::Silent)];
    (database, redis).prop_map(|(database, redis)| Step { database, redis })
}

/// What processes depend on, and the ways to it.
struct Stage {
    database: TestDatabase,
    redis: TestRedis,
    to_database: Proxy,
    to_redis: Proxy,
    /// How often readiness said what.
    met: Mutex<BTreeMap<String, usize>>,
}

impl Stage {
    async fn new() -> Self {
        let (database, redis) = (postgres::database().await, redis::server().await);
        Self {
            to_database: proxy::tcp(database.address()).await,
            to_redis: proxy::tcp(redis.address()).await,
            database,
            redis,
            met: Mutex::default(),
        }
    }

    /// Takes a process through `steps` and, if it `ends`, to its end.
    async fn goes_through(&self, steps: &[Step], ends: bool) {
        let database = self.to_database.url(&self.database.url());
        let redis = self.to_redis.url(&self.redis.url());
        let mut settings = settings("database: { acquire_timeout: 1s, max_connections: 2 }");
        // Shorter than anybody may set it: the driver tries until then.
        settings.database.acquire_timeout = Duration::from_millis(500);
        let set = set(document(&database, Some(&redis)));
        self.to_database.turn(Reach::Open);
        self.to_redis.turn(Reach::Open);
        let (state, router, _tasks) = serving(settings, set);
        until("all is well", || async {
            self.is_ready(&router).await && state.redis.is_up()
        })
        .await;
        for step in steps {
            self.to_database.turn(step.database);
            self.to_redis.turn(step.redis);
            if step.database == Reach::Open {
                until("ready, whatever becomes of Redis", || {
                    self.is_ready(&router)
                })
                .await;
            } else {
                assert!(!self.is_ready(&router).await, "ready in {step:?}");
            }
            let live = call(&router, Method::GET, "/health/live", "", None).await;
            live.expect(200);
        }
        if ends {
            state.lifecycle.advance(Phase::Draining);
            assert!(!self.is_ready(&router).await, "ready at its end");
        }
    }

    async fn is_ready(&self, router: &Router) -> bool {
        let answer = call(router, Method::GET, "/health/ready", "", None).await;
        let said = said(&answer);
        let mut met = self.met.lock().unwrap();
        *met.entry(said).or_default() += 1;
        answer.status == 200
    }
}

/// The status in words, which follows from the checks as the number does; what fails says why.
fn said(answer: &Answer) -> String {
    let health = answer.json();
    let check = |name: &str| {
        let check = &health["checks"][name];
        let status = check["status"].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            check["reason"].is_string(),
            status == "unhealthy",
            "{health}"
        );
        status
    };
    let expected = match (&*check("database"), &*check("redis")) {
        ("healthy", "healthy") => (200, "healthy"),
        ("healthy", "unhealthy") => (200, "degraded"),
        _ => (503, "unhealthy"),
    };
    let said = health["status"].as_str().unwrap();
    assert_eq!((answer.status.as_u16(), said), expected, "{health}");
    said.to_owned()
}

#[test]
fn p13_no_database_no_readiness_whatever_becomes_of_redis() {
    let runtime = two_threads();
    let stage = runtime.block_on(Stage::new());
    let mut runner = TestRunner::new(ProptestConfig {
        max_shrink_iters: 20,
        ..ProptestConfig::with_cases(100)
    });
    let cases = (proptest::collection::vec(step(), 1..4), any::<bool>());
    let run = runner.run(&cases, |(steps, ends)| {
        runtime.block_on(stage.goes_through(&steps, ends));
        Ok(())
    });
    run.unwrap();
    let met = stage.met.lock().unwrap().clone();
    for said in ["healthy", "degraded", "unhealthy"] {
        let count = met.get(said).copied().unwrap_or_default();
        assert!(count >= 10, "{said} in too few cases: {met:?}");
    }
    runtime.block_on(async { drop(stage) });
}
