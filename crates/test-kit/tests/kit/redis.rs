//! Redis servers are separate, demand the password, and stop, start and freeze on request.

use erpgo_test_kit::redis::{self, TestRedis};
use redis_client::AsyncCommands;
use std::time::Duration;

use ::redis as redis_client;

async fn connection(
    url: &str,
) -> redis_client::RedisResult<redis_client::aio::MultiplexedConnection> {
    redis_client::Client::open(url)?
        .get_multiplexed_async_connection()
        .await
}

async fn mark(server: &TestRedis) {
    let _: () = connection(&server.url())
        .await
        .unwrap()
        .set("mark", "one")
        .await
        .unwrap();
}

async fn get(server: &TestRedis) -> Option<String> {
    connection(&server.url())
        .await
        .unwrap()
        .get("mark")
        .await
        .unwrap()
}

#[tokio::test]
async fn two_servers_are_separate_and_demand_the_password() {
    let (one, other) = (redis::server().await, redis::server().await);
    mark(&one).await;
    assert_eq!(get(&one).await.as_deref(), Some("one"));
    assert_eq!(get(&other).await, None);
    let mut anonymous = connection(&format!("redis://{}", one.address()))
        .await
        .unwrap();
    assert!(anonymous.get::<_, Option<String>>("mark").await.is_err());
}

#[tokio::test]
async fn a_stopped_server_refuses_and_starts_again_empty() {
    let mut server = redis::server().await;
    mark(&server).await;
    server.stop();
    assert!(connection(&server.url()).await.is_err());
    server.start();
    assert_eq!(get(&server).await, None);
}

#[tokio::test]
async fn a_frozen_server_answers_nothing_until_it_is_woken() {
    let server = redis::server().await;
    server.pause();
    let mut open = std::net::TcpStream::connect(server.address()).unwrap();
    open.set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    std::io::Write::write_all(&mut open, b"PING\r\n").unwrap();
    let mut answer = [0; 1];
    assert!(std::io::Read::read(&mut open, &mut answer).is_err());
    server.resume();
    open.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert_eq!(std::io::Read::read(&mut open, &mut answer).unwrap(), 1);
}

#[tokio::test]
async fn a_server_goes_with_its_handle() {
    let server = redis::server().await;
    let address = server.address();
    assert!(std::net::TcpStream::connect(address).is_ok());
    drop(server);
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn one_with_a_file_for_its_users_keeps_those_that_were_saved() {
    let mut server = redis::server_with_acl_file().await;
    let mut admin = connection(&server.url()).await.unwrap();
    for words in [
        ["SETUSER", "saved"].as_slice(),
        &["SAVE"],
        &["SETUSER", "other"],
    ] {
        let mut command = redis_client::cmd("ACL");
        let () = command.arg(words).query_async(&mut admin).await.unwrap();
    }
    server.stop();
    server.start();
    let mut admin = connection(&server.url()).await.unwrap();
    let users: Vec<String> = redis_client::cmd("ACL")
        .arg("USERS")
        .query_async(&mut admin)
        .await
        .unwrap();
    assert_eq!(users, ["default", "saved"]);
}
