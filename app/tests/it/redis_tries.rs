//! How often Redis is asked, and after which waits: 50 and 100 ms lie before the second and third try.

use std::time::{Duration, Instant};

use ::redis::aio::MultiplexedConnection;
use erpgo::roles::permission::PermissionSet;
use erpgo::users::UserId;
use erpgo_test_kit::proxy::{self, Proxy};
use erpgo_test_kit::redis;
use serde_json::json;

use crate::commands::{connect, run};
use crate::spans::{Recorded, Recorder};
use crate::world::{SETTINGS, World, until};

/// What one call may take.
const CALL: Duration = Duration::from_millis(150);
const WAITS: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(100)];

async fn by_proxy() -> (World, Proxy, redis::TestRedis) {
    let redis = redis::server().await;
    let way = proxy::tcp(redis.address()).await;
    let world = World::with(SETTINGS, Some(&way.url(&redis.url()))).await;
    world.redis_is_listening().await;
    (world, way, redis)
}

/// What the server says of the pings that it had.
async fn pings(server: &MultiplexedConnection) -> String {
    let mut server = server.clone();
    let info: String = run(&mut server, ["INFO", "commandstats"]).await;
    let line = info.lines().find(|line| line.starts_with("cmdstat_ping:"));
    line.unwrap_or_default().to_owned()
}

/// Returns right after one, so that the next is a second away: its answer would come behind those of the calls.
async fn just_pinged(redis: &redis::TestRedis) {
    let server = connect(&redis.url()).await.unwrap();
    let before = pings(&server).await;
    until("redis is pinged", || async {
        pings(&server).await != before
    })
    .await;
}

/// The times between the beginnings of calls.
fn between(calls: &[Recorded]) -> Vec<Duration> {
    let pairs = calls.windows(2);
    pairs.map(|pair| pair[1].begun - pair[0].begun).collect()
}

fn failed(call: &Recorded) -> bool {
    call.fields.contains("otel.status_code=\"ERROR\"")
}

#[tokio::test]
async fn r07_4_what_may_be_repeated_is_tried_three_times_and_what_may_not_once() {
    let (world, way, server) = by_proxy().await;
    let (redis, user) = (&world.state.redis, UserId::new());
    just_pinged(&server).await;
    // Too late for a call, and in time for the ping of whoever keeps the connection.
    way.slow(Duration::from_millis(200));
    let recorder = Recorder::default();
    let _here = recorder.listen();
    assert_eq!(redis.permissions(user, 1).await, None);
    let tries = recorder.named("redis.command");
    let between = between(&tries);
    assert_eq!(between.len(), 2, "{tries:#?}");
    for (took, wait) in between.iter().zip(WAITS) {
        assert!(*took >= CALL + wait, "{between:?}");
    }
    let nothing = PermissionSet::default();
    redis.keep_permissions(user, 1, &nothing).await;
    let tries = recorder.named("redis.command");
    assert_eq!(tries.len(), 3 + 1, "{tries:#?}");
    assert!(tries.iter().all(failed), "{tries:#?}");
}

/// Calls of which each loses its connection, to which there is a way again as soon as that is noticed.
const CUT_OFF: usize = 6;

/// The connection goes in the middle of a call: the next one is there in time for a later try. On a busy machine
/// it may once come too late for that, which is then no answer and no failure.
#[tokio::test]
async fn r07_4_a_call_that_is_cut_off_is_answered_by_a_later_try() {
    let (world, way, _redis) = by_proxy().await;
    let kept: PermissionSet = serde_json::from_value(json!(["users.read"])).unwrap();
    let mut answered = 0;
    for _ in 0..CUT_OFF {
        world.redis_is_listening().await;
        let user = UserId::new();
        until("they are kept", || async {
            let redis = &world.state.redis;
            redis.keep_permissions(user, 1, &kept).await;
            redis.permissions(user, 1).await.as_ref() == Some(&kept)
        })
        .await;
        answered += usize::from(cut_off_and_answered(&world, &way, (user, &kept)).await);
    }
    assert!(answered > 0, "no later try was answered");
}

async fn cut_off_and_answered(
    world: &World,
    way: &Proxy,
    (user, kept): (UserId, &PermissionSet),
) -> bool {
    let redis = &world.state.redis;
    let recorder = Recorder::default();
    let _here = recorder.listen();
    way.cut();
    let back = async {
        while redis.is_listening() {
            tokio::task::yield_now().await;
        }
        way.resume();
    };
    let back = tokio::time::timeout(Duration::from_secs(30), back);
    let begun = Instant::now();
    let (found, noticed) = tokio::join!(redis.permissions(user, 1), back);
    noticed.unwrap();
    assert!(begun.elapsed() >= WAITS[0], "{:?}", begun.elapsed());
    let tries = recorder.named("redis.command");
    let (first, last) = (tries.first().unwrap(), tries.last().unwrap());
    assert!(tries.len() <= 3, "{tries:#?}");
    assert!(failed(first), "{tries:#?}");
    let answered = found.is_some();
    assert!(found.is_none_or(|found| found == *kept));
    assert_eq!(answered, !failed(last), "{tries:#?}");
    answered
}

/// How long a call lasts that is cut off for good.
async fn cut_off_for_good(world: &World, way: &Proxy) -> Duration {
    way.resume();
    world.redis_is_listening().await;
    way.cut();
    let begun = Instant::now();
    let found = world.state.redis.permissions(UserId::new(), 1).await;
    assert_eq!(found, None);
    begun.elapsed()
}

#[tokio::test]
async fn r07_4_a_call_that_is_cut_off_for_good_waits_twice_and_the_next_one_not_at_all() {
    let (world, way, _redis) = by_proxy().await;
    let redis = &world.state.redis;
    let waits: Duration = WAITS.iter().sum();
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        let took = cut_off_for_good(&world, &way).await;
        assert!(took >= waits, "{took:?}");
        fastest = fastest.min(took);
    }
    // The best of three: a busy machine makes any one of them late.
    assert!(fastest < waits + 3 * CALL, "{fastest:?}");
    until("redis is known to be away", || async { !redis.is_up() }).await;
    let recorder = Recorder::default();
    let _here = recorder.listen();
    assert_eq!(redis.permissions(UserId::new(), 1).await, None);
    assert!(recorder.named("redis.command").is_empty());
}
