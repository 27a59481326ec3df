//! What tests tell a Redis and ask of it by hand, beside the program.

use ::redis::aio::MultiplexedConnection;
use ::redis::{FromRedisValue, RedisResult};

pub async fn connect(url: &str) -> RedisResult<MultiplexedConnection> {
    let client = ::redis::Client::open(url).unwrap();
    client.get_multiplexed_async_connection().await
}

/// The answer to the command that these words are.
pub async fn run<'a, T: FromRedisValue>(
    connection: &mut MultiplexedConnection,
    words: impl IntoIterator<Item = &'a str>,
) -> T {
    let mut words = words.into_iter();
    let mut command = ::redis::cmd(words.next().unwrap());
    for word in words {
        command.arg(word);
    }
    command.query_async(connection).await.unwrap()
}

/// As [`run`], over a connection of its own.
pub async fn ask<'a, T: FromRedisValue>(url: &str, words: impl IntoIterator<Item = &'a str>) -> T {
    let mut connection = connect(url).await.unwrap();
    run(&mut connection, words).await
}

/// The keys that match.
pub async fn keys(url: &str, pattern: &str) -> Vec<String> {
    ask(url, ["KEYS", pattern]).await
}
