//! Redis: two users of its access list take turns, and changes are heard of all the while.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use erpgo_secret_set::Generation;
use erpgo_secret_set::KeyName::Redis;
use erpgo_secret_set::{RotatingKey, Version};
use erpgo_test_kit::redis::{self, TestRedis};
use http::Method;

use super::pod::{Pod, promote, retire, stage, url};
use crate::auth::revocation::turns;
use crate::commands::{ask, connect};
use crate::world::{ADMIN, call, document, listening, until};

const GUIDE: &str = include_str!("../../../../docs/guides/redis-users.md");

/// A user as the guide makes one; its URL.
async fn user(server: &TestRedis, name: &str) -> String {
    let password = format!("password-of-{name}");
    let line = GUIDE
        .lines()
        .find(|line| line.starts_with("ACL SETUSER erp_a"));
    let command = line.unwrap().replacen("erp_a", name, 1).replacen(
        ">first-password",
        &format!(">{password}"),
        1,
    );
    let () = ask(&server.url(), command.split(' ')).await;
    let default = format!(":{}@", server.password());
    server
        .url()
        .replacen(&default, &format!("{name}:{password}@"), 1)
}

async fn pod(server: &TestRedis) -> (Pod, [String; 2]) {
    let urls = [user(server, "erp_a").await, user(server, "erp_b").await];
    let database = crate::world::database().await;
    let first = document(&database.url(), Some(&urls[0]));
    let pod = Pod::on(database, first).await;
    listening(&pod.world.state).await;
    (pod, urls)
}

/// Whether anybody is connected as `name`.
async fn connected(server: &TestRedis, name: &str) -> bool {
    let list: String = ask(&server.url(), ["CLIENT", "LIST"]).await;
    list.lines()
        .any(|line| line.contains(&format!(" user={name} ")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_a_staged_user_is_proved_and_the_turn_is_heard_by_nobody() {
    let server = redis::server().await;
    let (pod, urls) = pod(&server).await;
    let token = pod.world.admin().await;
    let wrong = urls[1].replacen("password-of-", "canary-of-", 1);
    let reason = pod
        .refusal(|keys| stage(keys, Redis, url("redis-2", &wrong)))
        .await;
    assert_eq!(
        reason,
        "redis (next): redis refuses this user, its password, or the keys and channels named erpgo:*"
    );
    let said = pod
        .turn(|keys| stage(keys, Redis, url("redis-2", &urls[1])))
        .await;
    assert!(said.accepts("redis-2") && said.uses(Redis) == "redis-1");
    until("the proof is given back", || async {
        !connected(&server, "erp_b").await
    })
    .await;

    let (running, state) = (AtomicBool::new(true), &pod.world.state);
    let listener = async {
        while running.load(Ordering::Relaxed) {
            assert!(state.redis.is_up() && state.redis.is_listening());
            pod.world.get("/api/v1/users", &token).await.expect(200);
            tokio::task::yield_now().await;
        }
    };
    let turn = async {
        let said = pod.turn(|keys| promote(keys, Redis)).await;
        assert_eq!(said.uses(Redis), "redis-2");
        pod.hears("nobody holds the old user", |said| said.draining.is_empty())
            .await;
        until("the old user has left", || async {
            !connected(&server, "erp_a").await
        })
        .await;
        pod.turn(|keys| retire(keys, Redis)).await;
        let forget = ["ACL", "SETUSER", "erp_a", "resetpass"];
        let () = ask(&server.url(), forget).await;
        assert!(connect(&urls[0]).await.is_err());
        // Longer than the supervisor's ping: what it holds is the new one.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        running.store(false, Ordering::Relaxed);
    };
    tokio::join!(listener, turn);
    assert!(connected(&server, "erp_b").await);

    // Announcements of another process are heard on the new link: without them, what is known of
    // the session would be used for five seconds.
    let (twin, router, _tasks) = pod.world.twin(crate::world::SETTINGS);
    listening(&twin).await;
    pod.world.get("/api/v1/profile", &token).await.expect(200);
    let signed_out = call(&router, Method::POST, "/api/v1/auth/logout", &token, None);
    signed_out.await.expect(204);
    let heard = turns(&pod.world.router, &token, 401).await;
    assert!(heard < Duration::from_secs(4), "{heard:?}");
}

/// A key with one version.
fn alone(current: Version) -> Option<RotatingKey> {
    Some(RotatingKey {
        current,
        next: None,
        previous: None,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_gains_redis_and_loses_it_and_the_process_goes_on() {
    let server = redis::server().await;
    let right = user(&server, "erp_a").await;
    let wrong = right.replacen("password-of-", "canary-of-", 1);
    let pod = Pod::new().await;
    let (state, token) = (&pod.world.state, pod.world.admin().await);
    let reason = pod
        .refusal(|keys| keys.redis = alone(url("redis-2", &wrong)))
        .await;
    assert_eq!(
        reason,
        "redis (current): redis refuses this user, its password, or the keys and channels named erpgo:*"
    );
    assert_eq!(pod.generation(), Generation(1));
    assert!(!state.redis.is_configured());
    let said = pod.turn(|keys| keys.redis = None).await;
    assert!(!said.accepts("redis-2"));

    let said = pod
        .turn(|keys| keys.redis = alone(url("redis-4", &right)))
        .await;
    assert_eq!(said.uses(Redis), "redis-4");
    listening(state).await;
    assert!(state.redis.is_configured() && connected(&server, "erp_a").await);
    pod.world.get("/api/v1/users", &token).await.expect(200);

    let said = pod.turn(|keys| keys.redis = None).await;
    assert!(!said.accepts("redis-4"));
    until("the user has left", || async {
        !state.redis.is_configured() && !connected(&server, "erp_a").await
    })
    .await;
    assert!(!state.redis.is_up());
    pod.world.get("/api/v1/users", &token).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_away_when_the_user_turns_leaves_the_old_set_in_use() {
    let mut server = redis::server().await;
    let (pod, urls) = pod(&server).await;
    pod.turn(|keys| stage(keys, Redis, url("redis-2", &urls[1])))
        .await;
    server.stop();
    let reason = pod.refusal(|keys| promote(keys, Redis)).await;
    assert_eq!(reason, "redis (current): redis cannot be reached");
    assert_eq!(pod.generation(), Generation(2));
    pod.world.signed_in(ADMIN).await;
    server.start();
    user(&server, "erp_b").await;
    let said = pod
        .hears("the turn, once redis is back", |said| {
            said.generation == Generation(3) && said.reasons.is_empty()
        })
        .await;
    assert_eq!(said.uses(Redis), "redis-2");
    listening(&pod.world.state).await;
}
