//! Generated changes, made by either of two processes, while each of them reaches Redis, is cut off from it or
//! hears nothing of it, and while Redis is killed and back again (P12).
//!
//! One stage for all cases: each begins with what the one before it has left.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use erpgo_test_kit::proxy::Reach;
use http::Method;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::{Two, WITHIN, two_ways};
use crate::runtime::two_threads;
use crate::world::{Answer, PASSWORD, SETTINGS, World, access, call};

/// What one call of Redis may take here: while it is silent, each of hundreds waits so long.
const DEADLINE: Duration = Duration::from_millis(30);
const KIM: &str = "kim@example.org";

/// What is changed, into the opposite of what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// Whether the user has the role.
    Holds,
    /// Whether the role allows the request.
    Allows,
    /// The session ends.
    SignOut,
    /// The API key ends.
    Revoke,
}

#[derive(Clone, Debug)]
struct Case {
    redis_runs: bool,
    /// How each process reaches Redis.
    reach: [Reach; 2],
    /// Each with the process that makes it.
    changes: Vec<(usize, Change)>,
}

fn reach() -> impl Strategy<Value = Reach> {
    prop_oneof![
        5 => Just(Reach::Open),
        2 => Just(Reach::Cut),
        1 => Just(Reach::Silent),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        2 => Just(Change::Holds),
        2 => Just(Change::Allows),
        1 => Just(Change::SignOut),
        2 => Just(Change::Revoke),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let changes = proptest::collection::vec((0..2usize, change()), 1..4);
    let redis_runs = proptest::bool::weighted(0.8);
    (redis_runs, reach(), reach(), changes).prop_map(|(redis_runs, here, there, changes)| Case {
        redis_runs,
        reach: [here, there],
        changes,
    })
}

/// The two processes, and what has to be true of the one user.
struct Stage {
    two: Two,
    admin: String,
    session: String,
    /// Id and text of the API key.
    key: [String; 2],
    holds: bool,
    allows: bool,
    is_signed_in: bool,
    key_lives: bool,
    redis_runs: bool,
    /// How often each kind of change and of trouble was met.
    met: BTreeMap<String, usize>,
}

impl Stage {
    async fn new() -> Self {
        let (redis, ways) = two_ways().await;
        let url = ways[0].url(&redis.url());
        let world = World::waiting(SETTINGS, &url, DEADLINE).await;
        let two = Two::of(world, redis, ways).await;
        let mut stage = Self {
            admin: two.world.admin().await,
            session: two.token.clone(),
            two,
            key: Default::default(),
            holds: true,
            allows: true,
            is_signed_in: true,
            key_lives: false,
            redis_runs: true,
            met: BTreeMap::new(),
        };
        stage.renew(0).await;
        stage
    }

    fn note(&mut self, what: String) {
        *self.met.entry(what).or_default() += 1;
    }

    /// What `process` answers.
    async fn asks(
        &self,
        process: usize,
        (method, path): (Method, &str),
        token: &str,
        body: Option<Value>,
    ) -> Answer {
        let router = [&self.two.world.router, &self.two.twin][process];
        call(router, method, path, token, body).await
    }

    /// What the session and the key come to at `process`.
    async fn check(&self, process: usize) -> [u16; 2] {
        let users = (Method::GET, "/api/v1/users");
        let session = self.asks(process, users.clone(), &self.session, None).await;
        let key = self.asks(process, users, &self.key[1], None).await;
        [session, key].map(|answer| answer.status.as_u16())
    }

    /// What they have to come to.
    fn expected(&self) -> [u16; 2] {
        let may = if self.holds && self.allows { 200 } else { 403 };
        let of = |lives: bool| if lives { may } else { 401 };
        [of(self.is_signed_in), of(self.key_lives)]
    }

    fn suffers(&mut self, case: &Case) {
        match (self.redis_runs, case.redis_runs) {
            (true, false) => {
                self.two.redis.stop();
                self.note("killed".to_owned());
            }
            (false, true) => {
                self.two.redis.start();
                self.note("back".to_owned());
            }
            _ => {}
        }
        self.redis_runs = case.redis_runs;
        for (process, reach) in case.reach.into_iter().enumerate() {
            self.two.ways[process].turn(reach);
            self.note(format!("{reach:?} for {process}"));
        }
    }

    async fn obeys(&mut self, case: &Case) {
        self.suffers(case);
        for (by, change) in &case.changes {
            if *change == Change::Revoke && !self.key_lives {
                continue;
            }
            // Kept by both, so that there is something to be wrong about.
            for process in [0, 1] {
                let before = self.check(process).await;
                assert_eq!(before, self.expected(), "{process} before {change:?}");
            }
            self.makes(*by, *change).await;
            self.is_seen(*by, *change).await;
            self.note(format!("{change:?}"));
            self.renew(*by).await;
        }
    }

    async fn makes(&mut self, by: usize, change: Change) {
        let role = self.two.assignment["role_id"].as_str().unwrap().to_owned();
        let (admin, session) = (self.admin.clone(), self.session.clone());
        let (method, path, token, body, status) = match change {
            Change::Holds => {
                let how = if self.holds { "remove" } else { "assign" };
                let path = format!("/api/v1/roles/{how}");
                let body = Some(self.two.assignment.clone());
                self.holds = !self.holds;
                (Method::POST, path, admin, body, 204)
            }
            Change::Allows => {
                self.allows = !self.allows;
                let name = if self.allows {
                    "users.read"
                } else {
                    "products.read"
                };
                let body = Some(json!({"name": "generated", "permissions": [name]}));
                (
                    Method::PUT,
                    format!("/api/v1/roles/{role}"),
                    admin,
                    body,
                    200,
                )
            }
            Change::SignOut => {
                self.is_signed_in = false;
                let path = "/api/v1/auth/logout".to_owned();
                (Method::POST, path, session, Some(json!({})), 204)
            }
            Change::Revoke => {
                self.key_lives = false;
                let path = format!("/api/v1/api-keys/{}", self.key[0]);
                (Method::DELETE, path, session, None, 204)
            }
        };
        let answer = self.asks(by, (method, &path), &token, body).await;
        answer.expect(status);
    }

    /// In the next check where it was made, and elsewhere in one that is asked within the second.
    async fn is_seen(&self, by: usize, change: Change) {
        let (begun, expected) = (Instant::now(), self.expected());
        let here = self.check(by).await;
        assert_eq!(
            here, expected,
            "{change:?}: the next check where it was made"
        );
        loop {
            let asked = begun.elapsed();
            let there = self.check(1 - by).await;
            if there == expected {
                break;
            }
            assert!(
                asked < WITHIN,
                "{change:?} is not seen elsewhere: {there:?}"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Another session and another key in place of those that have ended; nobody makes a key of what they may not.
    async fn renew(&mut self, process: usize) {
        if !self.is_signed_in {
            let body = Some(json!({"email": KIM, "password": PASSWORD}));
            let login = (Method::POST, "/api/v1/auth/login");
            let answer = self.asks(process, login, "", body).await;
            self.session = access(&answer.expect(200).json());
            self.is_signed_in = true;
        }
        if !self.key_lives && self.holds && self.allows {
            let body = Some(json!({"name": "shop", "scopes": ["users.read"]}));
            let keys = (Method::POST, "/api/v1/api-keys");
            let answer = self.asks(process, keys, &self.session, body).await;
            let made = answer.expect(201).json();
            self.key = ["id", "key"].map(|name| made[name].as_str().unwrap().to_owned());
            self.key_lives = true;
        }
    }
}

/// r07_3: each kind of change, each kind of trouble, each of the two processes.
#[test]
fn p12_whatever_changes_the_next_check_obeys_it_wherever_redis_is() {
    let runtime = two_threads();
    let stage = RefCell::new(runtime.block_on(Stage::new()));
    // The stage goes on from what a case has left: no smaller case would begin where this one did.
    let mut runner = TestRunner::new(ProptestConfig {
        max_shrink_iters: 0,
        ..ProptestConfig::with_cases(100)
    });
    let run = runner.run(&case(), |case| {
        let mut stage = stage.borrow_mut();
        runtime.block_on(stage.obeys(&case));
        Ok(())
    });
    run.unwrap();
    let met = stage.borrow().met.clone();
    let often = |what: &str, least: usize| {
        let count = met.get(what).copied().unwrap_or_default();
        assert!(count >= least, "{what} in too few cases: {met:?}");
    };
    for change in ["Holds", "Allows", "SignOut", "Revoke"] {
        often(change, 3);
    }
    for reach in ["Open", "Cut", "Silent"] {
        often(&format!("{reach} for 0"), 1);
        often(&format!("{reach} for 1"), 1);
    }
    for trouble in ["killed", "back"] {
        often(trouble, 1);
    }
    runtime.block_on(async { drop(stage) });
}
