//! A way to one Redis: a connection for commands and one that listens.
//!
//! Owns [`Link`]: who has a link knows that user and password are accepted and that both the
//! keys and the channel may be used.

use std::sync::Arc;
use std::time::Duration;

use erpgo_secret_set::Secret;
use redis::AsyncConnectionConfig;
use redis::aio::{MultiplexedConnection, PubSub};

const CONNECT: Duration = Duration::from_secs(1);
/// How long any one command may take at the least, the ping of the supervisor among them.
pub(super) const RESPONSE: Duration = Duration::from_millis(500);

/// Open connections to one Redis.
pub struct Link {
    pub(super) connection: Arc<MultiplexedConnection>,
    pub(super) pubsub: PubSub,
    pub(super) url: Secret,
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The URL is not one of Redis. Its text stays out of the message.
    #[error("the redis URL is not valid")]
    Url,
    /// The server refuses user or password, or the user may not do what is needed.
    #[error("redis refuses this user, its password, or the keys and channels named erpgo:*")]
    Refused(#[source] redis::RedisError),
    /// No connection.
    #[error("redis cannot be reached")]
    Unreachable(#[source] redis::RedisError),
    /// No answer in time.
    #[error("redis did not answer within {} s", CONNECT.as_secs())]
    Late,
}

impl LinkError {
    fn from_driver(error: redis::RedisError) -> Self {
        let refused = error.kind() == redis::ErrorKind::AuthenticationFailed
            || matches!(error.code(), Some("WRONGPASS" | "NOPERM" | "NOAUTH"));
        if refused {
            Self::Refused(error)
        } else {
            Self::Unreachable(error)
        }
    }
}

impl Link {
    /// Connects to `url`, reads `proof` and listens on `channel`; any one command may take `response`.
    pub(super) async fn open(
        url: &Secret,
        proof: &str,
        channel: &str,
        response: Duration,
    ) -> Result<Self, LinkError> {
        let client = redis::Client::open(url.expose_secret()).map_err(|_| LinkError::Url)?;
        let commands = in_time(commands(&client, proof, response));
        let messages = in_time(messages(&client, channel));
        let (connection, pubsub) = tokio::try_join!(commands, messages)?;
        Ok(Self {
            connection: Arc::new(connection),
            pubsub,
            url: url.duplicate(),
        })
    }
}

async fn in_time<T>(opening: impl Future<Output = redis::RedisResult<T>>) -> Result<T, LinkError> {
    match tokio::time::timeout(CONNECT, opening).await {
        Ok(opened) => opened.map_err(LinkError::from_driver),
        Err(_) => Err(LinkError::Late),
    }
}

async fn commands(
    client: &redis::Client,
    proof: &str,
    response: Duration,
) -> redis::RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(response));
    let mut connection = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    // A user who may not read our keys would come in all the same.
    redis::cmd("EXISTS")
        .arg(proof)
        .query_async::<()>(&mut connection)
        .await?;
    Ok(connection)
}

async fn messages(client: &redis::Client, channel: &str) -> redis::RedisResult<PubSub> {
    let mut pubsub = client.get_async_pubsub().await?;
    pubsub.subscribe(channel).await?;
    Ok(pubsub)
}
