//! API10: what Redis and the mail server say is checked like what a client says.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use crate::commands::{ask, keys};
use crate::mail::delivery::given_up;
use crate::mail::sending;
use crate::world::{ADMIN, World};

async fn write(url: &str, pattern: &str, value: &str) -> usize {
    let keys = keys(url, pattern).await;
    for key in &keys {
        let () = ask(url, ["SET", key, value]).await;
    }
    keys.len()
}

#[tokio::test]
async fn what_redis_holds_is_permissions_or_is_ignored() {
    let (redis, world) = World::with_redis().await;
    let (id, token) = world.user("kim@example.org", &["users.read"]).await;
    world.get("/api/v1/users", &token).await.expect(200);
    for garbage in [
        "",
        "null",
        "{",
        "[1]",
        "[\"**\"]",
        "{\"a\":1}",
        "\u{0}",
        "[\"users.read\", 7]",
    ] {
        let written = write(&redis.url(), &format!("erpgo:permissions:{id}:*"), garbage).await;
        assert_eq!(written, 1);
        world.state.sessions.forget_all();
        world.get("/api/v1/users", &token).await.expect(200);
        world
            .get("/api/v1/roles", &token)
            .await
            .refused(403, "FORBIDDEN");
    }
}

#[tokio::test]
async fn a_mail_server_that_never_stops_talking_is_left() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let talking = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                // A greeting that goes on and on.
                while stream.write_all(b"220-welcome\r\n").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
        }
    });
    let yaml = crate::mail::settings(port).replace("timeout: 60s", "timeout: 1s");
    let world = World::with(&yaml, None).await;
    world.forgot(ADMIN).await.expect(202);
    let _sending = sending(&world);
    given_up(&world).await;
    // The requests never noticed.
    world.admin().await;
    talking.abort();
}
