//! Generated requests in flight while the program's own routes, with their layers and their database, are told to
//! end (P14).

use std::cell::Cell;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use erpgo::shutdown::Phase;
use http::{Method, header};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::{Begun, Entered, serve};
use crate::locks::products_locked;
use crate::runtime::two_threads;
use crate::sql::{number, sql};
use crate::world::{PASSWORD, SETTINGS, World};

/// Far more than any request here takes.
const DRAIN: Duration = Duration::from_secs(30);
const KIM: &str = "kim@example.org";
const PRODUCTS: &str = "SELECT count(*) FROM products";
const ROLES: &str = "SELECT count(*) FROM roles";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Waits for a lock.
    List,
    /// Waits for its own body and then for the lock.
    Create,
    /// Waits for its own body.
    Role,
    /// The same, of whoever has no session.
    SignIn,
}

#[derive(Clone, Debug)]
struct Case {
    /// Each with the time after which it is sent whole.
    requests: Vec<(Kind, Duration)>,
    /// How long all of them are in flight before the end begins.
    before: Duration,
    /// How long the lock is held from then on.
    locked: Duration,
}

fn millis(most: u64) -> impl Strategy<Value = Duration> {
    (0..most).prop_map(Duration::from_millis)
}

fn case() -> impl Strategy<Value = Case> {
    let kind = prop_oneof![
        Just(Kind::List),
        Just(Kind::Create),
        Just(Kind::Role),
        Just(Kind::SignIn),
    ];
    let requests = proptest::collection::vec((kind, millis(25)), 1..6);
    (requests, millis(15), millis(25)).prop_map(|(requests, before, locked)| Case {
        requests,
        before,
        locked,
    })
}

impl Kind {
    fn place(self) -> (Method, &'static str) {
        match self {
            Self::List => (Method::GET, "/api/v1/products"),
            Self::Create => (Method::POST, "/api/v1/products"),
            Self::Role => (Method::POST, "/api/v1/roles"),
            Self::SignIn => (Method::POST, "/api/v1/auth/login"),
        }
    }

    fn body(self) -> Option<Value> {
        let name = uuid::Uuid::new_v4().to_string();
        match self {
            Self::List => None,
            Self::Create => {
                Some(json!({"sku": name, "name": "Chair", "price": "1", "currency": "EUR"}))
            }
            Self::Role => Some(json!({"name": name, "permissions": ["products.read"]})),
            Self::SignIn => Some(json!({"email": KIM, "password": PASSWORD})),
        }
    }

    fn status(self) -> u16 {
        match self {
            Self::List | Self::SignIn => 200,
            Self::Create | Self::Role => 201,
        }
    }
}

/// Sends the rest `after` a while: the answer is whole, and the last on its connection.
async fn finishes(begun: Begun, kind: Kind, after: Duration) {
    tokio::time::sleep(after).await;
    let answer = begun.finish().await.expect(kind.status());
    let said = &answer.headers[header::CONNECTION];
    assert_eq!(said, "close", "{kind:?}: {}", answer.text);
}

/// Counts what reaches `router`.
fn counted(router: Router, entered: &Entered) -> Router {
    let entered = entered.clone();
    router.layer(from_fn(move |request: Request, next: Next| {
        entered.one_more();
        next.run(request)
    }))
}

struct Stage {
    world: World,
    token: String,
    /// How many products and roles there have to be.
    made: Cell<[i64; 2]>,
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        // Whose sessions are many, so that nobody else's ends for them.
        world.user(KIM, &[]).await;
        Self {
            token: world.admin().await,
            made: Cell::new([0, number(&world, ROLES).await]),
            world,
        }
    }

    /// A process with these requests in flight ends: none of them is lost, and nothing has to be cut off.
    async fn ends_well(&self, case: &Case) {
        let (state, router, _tasks) = self.world.twin(SETTINGS);
        let entered = Entered::none();
        let running = serve(counted(router, &entered), DRAIN).await;
        let mut lock = products_locked(&self.world.database).await;
        let mut requests = Vec::new();
        for (kind, after) in &case.requests {
            let body = kind.body().map(|body| body.to_string()).unwrap_or_default();
            let (place, kept) = (kind.place(), body.len().min(1));
            let begun = Begun::new(running.address, &self.token, place, &body, kept).await;
            requests.push(finishes(begun, *kind, *after));
        }
        entered.reach(requests.len()).await;
        tokio::time::sleep(case.before).await;
        state.lifecycle.advance(Phase::Draining);
        running.stop.cancel();
        let unlocked = async {
            tokio::time::sleep(case.locked).await;
            sql(&mut lock, "ROLLBACK").await;
        };
        tokio::join!(futures::future::join_all(requests), unlocked);
        let nothing_was_cut_off = running.task.await.unwrap();
        assert!(nothing_was_cut_off, "{case:?}");
        state.database.close().await;
        self.all_is_there(case).await;
    }

    async fn all_is_there(&self, case: &Case) {
        let count = |kind: Kind| {
            let of_kind = case.requests.iter().filter(|(found, _)| *found == kind);
            i64::try_from(of_kind.count()).unwrap()
        };
        let [products, roles] = self.made.get();
        let made = [products + count(Kind::Create), roles + count(Kind::Role)];
        let found = [PRODUCTS, ROLES].map(|query| number(&self.world, query));
        let [products, roles] = found;
        assert_eq!([products.await, roles.await], made, "{case:?}");
        self.made.set(made);
    }
}

/// Whatever the mix of requests that are shorter than the drain, all of them finish.
#[test]
fn p14_every_request_shorter_than_the_drain_finishes() {
    let runtime = two_threads();
    let stage = runtime.block_on(Stage::new());
    // How many there have to be is known only while every case holds.
    let mut runner = TestRunner::new(ProptestConfig {
        max_shrink_iters: 0,
        ..ProptestConfig::with_cases(100)
    });
    let run = runner.run(&case(), |case| {
        runtime.block_on(stage.ends_well(&case));
        Ok(())
    });
    run.unwrap();
    runtime.block_on(async { drop(stage) });
}
