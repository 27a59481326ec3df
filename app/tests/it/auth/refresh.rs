//! Rotation of refresh tokens, and what a second use means.

use std::sync::LazyLock;
use std::time::Duration;

use erpgo_test_kit::{proxy, redis};
use futures::StreamExt as _;

use crate::log::LOG;
use crate::world::{ADMIN, SETTINGS, World, access, refresh_token, shared};

#[tokio::test]
async fn each_refresh_token_is_exchanged_for_the_next() {
    let world = World::new().await;
    let mut answer = world.signed_in(ADMIN).await;
    for _ in 0..3 {
        let next = world.renewed(&answer).await;
        assert_ne!(refresh_token(&next), refresh_token(&answer));
        world
            .get("/api/v1/profile", &access(&next))
            .await
            .expect(200);
        answer = next;
    }
}

#[tokio::test]
async fn a_second_tab_gets_the_same_successor_within_the_grace() {
    let world = World::new().await;
    let first = world.signed_in(ADMIN).await;
    let one = world.renewed(&first).await;
    let other = world.renewed(&first).await;
    assert_eq!(refresh_token(&one), refresh_token(&other));
    world.refresh(&refresh_token(&one)).await.expect(200);
}

#[tokio::test]
async fn a_grandparent_ends_the_whole_session_even_within_the_grace() {
    let world = World::new().await;
    let first = world.signed_in(ADMIN).await;
    let second = world.renewed(&first).await;
    let third = world.renewed(&second).await;
    world
        .refresh(&refresh_token(&first))
        .await
        .refused(401, "TOKEN_REUSED");
    // Thief and owner alike: nobody can tell them apart.
    world
        .refresh(&refresh_token(&third))
        .await
        .refused(401, "TOKEN_REVOKED");
    world
        .get("/api/v1/profile", &access(&third))
        .await
        .refused(401, "TOKEN_REVOKED");
}

/// A client that hangs up ends what is done for it; what is to be seen of the theft is seen all the same.
#[tokio::test]
async fn a_second_use_is_told_in_the_log_though_its_client_hangs_up() {
    LazyLock::force(&LOG);
    let redis = redis::server().await;
    let way = proxy::tcp(redis.address()).await;
    let world = World::with(SETTINGS, Some(&way.url(&redis.url()))).await;
    world.redis_is_listening().await;
    let first = world.signed_in(ADMIN).await;
    let second = world.renewed(&first).await;
    let third = world.renewed(&second).await;
    let client = ::redis::Client::open(redis.url()).unwrap();
    let mut ear = client.get_async_pubsub().await.unwrap();
    ear.psubscribe("*").await.unwrap();
    let mut announced = ear.into_on_message();
    let used = refresh_token(&first);
    // Too late for a call, and in time for the ping of whoever keeps the connection.
    way.slow(Duration::from_millis(200));
    tokio::select! {
        _ = announced.next() => {}
        _ = world.refresh(&used) => {}
    }
    let user = first["user"]["id"].as_str().unwrap();
    let mut told = LOG.lines_with(user);
    told.retain(|line| line["message"] == "a refresh token was used twice; the session is ended");
    assert_eq!(told.len(), 1, "{told:?}");
    way.resume();
    world
        .refresh(&refresh_token(&third))
        .await
        .refused(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn without_grace_the_direct_parent_ends_it_too_and_other_sessions_go_on() {
    let yaml = SETTINGS.replace(
        "hash_concurrency: 2",
        "hash_concurrency: 2, refresh_grace: 0s",
    );
    let world = World::with(&yaml, None).await;
    let bystander = world.signed_in(ADMIN).await;
    let first = world.signed_in(ADMIN).await;
    let second = world.renewed(&first).await;
    world
        .refresh(&refresh_token(&first))
        .await
        .refused(401, "TOKEN_REUSED");
    world
        .get("/api/v1/profile", &access(&second))
        .await
        .refused(401, "TOKEN_REVOKED");
    world.refresh(&refresh_token(&bystander)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_3_racing_tabs_all_stay_signed_in_with_one_successor() {
    let world = shared(World::new().await);
    let first = refresh_token(&world.signed_in(ADMIN).await);
    let tabs: Vec<_> = (0..8)
        .map(|_| {
            let (world, first) = (world.clone(), first.clone());
            tokio::spawn(async move { world.refresh(&first).await.expect(200).json() })
        })
        .collect();
    let mut successors = std::collections::HashSet::new();
    for tab in tabs {
        successors.insert(refresh_token(&tab.await.unwrap()));
    }
    assert_eq!(successors.len(), 1);
}

#[tokio::test]
async fn the_database_holds_no_token_in_clear() {
    let world = World::new().await;
    let answer = world.signed_in(ADMIN).await;
    let pool = world.state.database.pool();
    let dump: Vec<String> = sqlx::query_scalar(
        "SELECT row_to_json(t)::text FROM refresh_tokens t
         UNION ALL SELECT row_to_json(s)::text FROM sessions s",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(dump.len(), 2);
    let signature = refresh_token(&answer)
        .rsplit('.')
        .next()
        .unwrap()
        .to_owned();
    assert!(!dump.concat().contains(&signature));
}
