//! Changes of roles on two processes while Redis is killed, slow or cut off for one of them (P11, P12).

mod generated;

use std::time::{Duration, Instant};

use axum::Router;
use erpgo::state::AppState;
use erpgo_test_kit::proxy::{self, Proxy};
use erpgo_test_kit::redis::{self, TestRedis};
use http::Method;
use serde_json::{Value, json};
use tokio_util::sync::DropGuard;

use crate::world::{SETTINGS, World, call, hearing, listening};

const WITHIN: Duration = Duration::from_secs(1);
/// More than a call of Redis may take.
const SLOW: Duration = Duration::from_millis(400);

/// Two processes on one database, each with a way to Redis of its own.
struct Two {
    world: World,
    state: AppState,
    twin: Router,
    redis: TestRedis,
    ways: [Proxy; 2],
    assignment: Value,
    token: String,
    _tasks: DropGuard,
    _ears: (DropGuard, DropGuard),
}

/// A Redis, and two ways to it.
async fn two_ways() -> (TestRedis, [Proxy; 2]) {
    let redis = redis::server().await;
    let ways = [
        proxy::tcp(redis.address()).await,
        proxy::tcp(redis.address()).await,
    ];
    (redis, ways)
}

impl Two {
    async fn new() -> Self {
        let (redis, ways) = two_ways().await;
        let world = World::with(SETTINGS, Some(&ways[0].url(&redis.url()))).await;
        Self::of(world, redis, ways).await
    }

    /// `world` and a second process.
    async fn of(world: World, redis: TestRedis, ways: [Proxy; 2]) -> Self {
        let other = ways[1].url(&redis.url());
        let (state, twin, tasks) = world.twin_by(SETTINGS, Some(&other));
        world.redis_is_listening().await;
        listening(&state).await;
        let ears = (hearing(&world.state).await, hearing(&state).await);
        let (id, token) = world.user("kim@example.org", &["users.read"]).await;
        let admin = world.admin().await;
        let roles = world.get("/api/v1/roles?limit=1000", &admin).await.json();
        let roles = roles["roles"].as_array().unwrap();
        let named = |role: &&Value| role["name"] == "role of kim at example.org";
        let role = &roles.iter().find(named).unwrap()["id"];
        Self {
            assignment: json!({"user_id": id, "role_id": role}),
            world,
            state,
            twin,
            redis,
            ways,
            token,
            _tasks: tasks,
            _ears: ears,
        }
    }

    /// The next check on the process that makes the changes, and on the other one: how long after `begun` it was
    /// asked, and its status.
    async fn checks(&self, begun: Instant) -> [(Duration, u16); 2] {
        let check = async |router: &Router| {
            let asked = begun.elapsed();
            let answer = call(router, Method::GET, "/api/v1/users", &self.token, None).await;
            (asked, answer.status.as_u16())
        };
        [check(&self.world.router).await, check(&self.twin).await]
    }

    async fn change(&self, how: &str) {
        let admin = self.world.admin().await;
        let path = format!("/api/v1/roles/{how}");
        let answer = self
            .world
            .post(&path, &admin, self.assignment.clone())
            .await;
        answer.expect(204);
    }

    /// The role goes and comes back, both times seen by both: at once where the change was made.
    async fn changes_are_seen(&self, trouble: &str) {
        for (how, status) in [("remove", 403), ("assign", 200)] {
            // Kept by both, so that there is something to be wrong about.
            self.checks(Instant::now()).await;
            self.change(how).await;
            let begun = Instant::now();
            loop {
                // What was asked within the second may be answered later than it.
                let [here, (asked, there)] = self.checks(begun).await;
                assert_eq!(
                    here.1, status,
                    "{trouble}: the next check where it was made"
                );
                if there == status {
                    break;
                }
                assert!(asked < WITHIN, "{trouble}: {how} is not seen elsewhere");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p12_a_change_shows_everywhere_while_redis_is_cut_off_for_one_of_two() {
    let two = Two::new().await;
    two.changes_are_seen("all is well").await;
    for way in &two.ways {
        way.pause();
        two.changes_are_seen("silent").await;
        way.cut();
        two.changes_are_seen("refused").await;
        way.resume();
        two.changes_are_seen("coming back").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p12_a_change_shows_everywhere_while_redis_is_slow_for_one_of_two() {
    let two = Two::new().await;
    for way in &two.ways {
        way.slow(SLOW);
        two.changes_are_seen("slow").await;
        way.resume();
        two.changes_are_seen("fast again").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p12_a_change_shows_everywhere_while_redis_is_killed_and_when_it_is_back() {
    let mut two = Two::new().await;
    two.redis.stop();
    two.changes_are_seen("killed").await;
    two.redis.start();
    two.world.redis_is_listening().await;
    listening(&two.state).await;
    two.changes_are_seen("back, and empty").await;
}

/// P11: five minutes in Redis end with the change, not with the five minutes; in ≥ 100 turns.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_what_is_cached_is_never_older_than_the_last_change() {
    let two = Two::new().await;
    for turn in 0..50 {
        two.changes_are_seen(&format!("turn {turn}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p12_a_process_that_cannot_prove_that_it_hears_trusts_its_memory_for_less_than_a_second() {
    let two = Two::new().await;
    crate::world::until("changes are heard of", || async {
        two.state.sessions.hears()
    })
    .await;
    let Two {
        world,
        state,
        twin,
        ways,
        assignment,
        token,
        _ears,
        _tasks,
        redis: _redis,
    } = two;
    // Neither PostgreSQL nor Redis tells the twin anything from here on.
    ways[1].pause();
    drop(_ears);
    crate::world::until("the proof is over", || async { !state.sessions.hears() }).await;
    let check = async || {
        call(&twin, Method::GET, "/api/v1/users", &token, None)
            .await
            .status
    };
    check().await;
    let admin = world.admin().await;
    world
        .post("/api/v1/roles/remove", &admin, assignment)
        .await
        .expect(204);
    let begun = Instant::now();
    loop {
        let asked = begun.elapsed();
        if check().await == 403 {
            break;
        }
        assert!(asked < WITHIN, "an old answer is still in use");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
