//! What becomes of each class of routes when a dependency is lost: the rows of
//! `docs/guides/dependencies.md` (R7.4, R8.2, P13).

mod calls;
mod collector;
mod mail;
mod silent;

use std::time::{Duration, Instant};

use erpgo_test_kit::proxy::{self, Proxy};
use erpgo_test_kit::redis;

use crate::rotation::pod::Pod;
use crate::spans::Recorder;
use crate::world::{ADMIN, SETTINGS, World, refresh_token};
use calls::Calls;

async fn health(world: &World, path: &str) -> (u16, String) {
    let answer = world.get(path, "").await;
    let status = answer.json()["status"].as_str().unwrap().to_owned();
    (answer.status.as_u16(), status)
}

/// `degraded` and 200, once it is noticed.
async fn degraded(world: &World) {
    crate::world::until("readiness says degraded", || async {
        health(world, "/health/ready").await == (200, "degraded".to_owned())
    })
    .await;
    assert_eq!(health(world, "/health/live").await.0, 200);
}

async fn by_proxy() -> (World, Proxy, redis::TestRedis) {
    let redis = redis::server().await;
    let way = proxy::tcp(redis.address()).await;
    // A limit on everything, so that each request has a reason to ask Redis.
    let yaml = crate::world::limits("read_per_ip: 600, write_per_ip: 600, export_per_ip: 600");
    let world = World::with(&yaml, Some(&way.url(&redis.url()))).await;
    world.redis_is_listening().await;
    (world, way, redis)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r07_4_every_class_is_served_while_redis_is_killed() {
    let (world, _way, mut redis) = by_proxy().await;
    let token = world.admin().await;
    let calls = Calls {
        world: &world,
        token: &token,
    };
    redis.stop();
    calls.all_are_served("killed").await;
    degraded(&world).await;
    redis.start();
    world.redis_is_listening().await;
    calls.all_are_served("back").await;
    assert_eq!(
        health(&world, "/health/ready").await,
        (200, "healthy".into())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r07_4_every_class_is_served_while_redis_is_silent() {
    let (world, way, _redis) = by_proxy().await;
    let token = world.admin().await;
    let calls = Calls {
        world: &world,
        token: &token,
    };
    way.pause();
    calls.all_are_served("silent").await;
    degraded(&world).await;
    way.resume();
    world.redis_is_listening().await;
    calls.all_are_served("back").await;
}

/// Slow is worse than away: the breaker makes it the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r07_4_every_class_is_served_while_redis_is_slow_and_soon_without_waiting_for_it() {
    let (world, way, _redis) = by_proxy().await;
    let token = world.admin().await;
    let calls = Calls {
        world: &world,
        token: &token,
    };
    // Pings still come back in time, even behind a call; calls do not.
    way.slow(Duration::from_millis(200));
    calls.all_are_served("slow").await;
    degraded(&world).await;
    crate::world::until("redis is left alone", || async {
        calls.read().await.expect(200);
        world.state.redis.is_listening() && !world.state.redis.is_up()
    })
    .await;
    // On a busy machine a ping may be late, and who then connects anew is taken for back: such reads say nothing.
    crate::world::until("reads leave it alone", || async {
        let (recorder, begun) = (Recorder::default(), Instant::now());
        let _here = recorder.listen();
        for _ in 0..20 {
            calls.read().await.expect(200);
            if world.state.redis.is_up() {
                return false;
            }
        }
        // One in a second tries whether it is back, and none of the others waits.
        let asked = recorder.named("redis.command").len();
        let took = begun.elapsed();
        assert!(asked as u64 <= 1 + took.as_secs(), "{asked} in {took:?}");
        true
    })
    .await;
    way.resume();
    crate::world::until("redis is used again", || async {
        calls.read().await.expect(200);
        world.state.redis.is_up()
    })
    .await;
}

/// Nothing can be answered from memory alone; what is refused says so, at once and in good order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r08_2_every_class_is_refused_in_good_order_while_postgresql_is_away() {
    let database = crate::world::database().await;
    let way = proxy::tcp(database.address()).await;
    let set = crate::world::set(crate::world::document(&way.url(&database.url()), None));
    let world = World::on(database, set, SETTINGS).await;
    let token = world.admin().await;
    let calls = Calls {
        world: &world,
        token: &token,
    };
    calls.all_are_served("all is well").await;
    let renewal = refresh_token(&world.signed_in(ADMIN).await);
    way.cut();
    calls.all_are_refused(&renewal).await;
    assert_eq!(health(&world, "/health/ready").await.0, 503);
    assert_eq!(health(&world, "/health/live").await.0, 200);
    calls.document().await.expect(200);
    way.resume();
    crate::world::until("the database is back", || async {
        health(&world, "/health/ready").await.0 == 200 && calls.read().await.status == 200
    })
    .await;
    // No failure of ours has counted against anybody.
    calls.all_are_served("back").await;
}

/// Nobody takes acknowledgements, and what was handed over is gone from the disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_class_is_served_while_the_sidecar_is_away() {
    let pod = Pod::new().await;
    let token = pod.world.admin().await;
    let first = pod.hears("an acknowledgement", |said| said.reasons.is_empty());
    let first = first.await.generation;
    pod.loses_its_sidecar().await;
    let calls = Calls {
        world: &pod.world,
        token: &token,
    };
    calls.all_are_served("no sidecar").await;
    let ready = health(&pod.world, "/health/ready").await;
    assert_eq!(ready, (200, "healthy".into()));
    assert_eq!(pod.generation(), first);
    // What it leaves when it is back is taken up.
    let next = pod.write(|_| ());
    crate::world::until("the next generation is in use", || async {
        pod.generation() == next
    })
    .await;
    calls.all_are_served("back").await;
}

/// The rows of all tables, without their heads.
fn rows(guide: &str) -> impl Iterator<Item = &str> {
    let below = guide.lines().skip(1).chain([""]);
    let rows = guide.lines().zip(below);
    rows.filter(|(row, below)| {
        row.starts_with("| ") && ![row, below].iter().any(|line| line.starts_with("| ---"))
    })
    .map(|(row, _)| row)
}

/// The names of tests in `row`.
fn names(row: &str) -> Vec<&str> {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let quoted = row.split('`').skip(1).step_by(2);
    quoted
        .filter(|word| word.len() > 20 && word.bytes().all(letter))
        .collect()
}

/// The text of every test here.
fn sources() -> String {
    let mut sources = String::new();
    let mut folders = vec![std::path::PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/it"
    ))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    sources
}

/// A guide that promises what no test shows would be worth little.
#[test]
fn every_row_of_the_guide_names_a_test_that_is_there() {
    let guide = include_str!("../../../docs/guides/dependencies.md");
    let sources = sources();
    let mut count = 0;
    for row in rows(guide) {
        let names = names(row);
        assert!(!names.is_empty(), "no test shows this: {row}");
        for name in names {
            let is_there = sources.contains(&format!("fn {name}("));
            assert!(is_there, "{name} is no test");
        }
        count += 1;
    }
    assert!(count >= 15, "{count}");
}

#[test]
fn a_row_of_the_guide_without_a_test_is_found() {
    let guide = "text\n| class | test |\n| --- | --- |\n| a | `a_test_with_a_name_of_its_own` |\n| b | the same |";
    let named: Vec<_> = rows(guide).map(|row| names(row).len()).collect();
    assert_eq!(named, [1, 0]);
}
