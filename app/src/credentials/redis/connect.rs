//! The connection that changes a password.
//!
//! Owns [`connect`]: a Redis that is still starting is asked again for a while; after that the Job is to
//! be retried. [`Refusal`] is what is told of an answer: Redis may repeat what was sent to it (I-04).

use std::time::{Duration, Instant};

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError};
use erpgo_secret_set::Secret;

const ATTEMPT: Duration = Duration::from_secs(3);
const ANSWER: Duration = Duration::from_secs(5);
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// What Redis answered, or what kept it from answering; never what was sent.
#[derive(Debug, thiserror::Error)]
#[error("{told}")]
pub struct Refusal {
    told: String,
    passes: bool,
}

impl Refusal {
    /// Whether it may be otherwise in a while.
    #[must_use]
    pub const fn passes(&self) -> bool {
        self.passes
    }
}

impl From<RedisError> for Refusal {
    fn from(error: RedisError) -> Self {
        let code = error.code();
        let absent = error.is_io_error() || error.is_timeout() || error.is_connection_dropped();
        let busy = matches!(code, Some("LOADING" | "BUSY" | "MASTERDOWN" | "TRYAGAIN"));
        let told = match code {
            Some(code) => format!("it answered {code}"),
            None if absent => "it did not answer".to_owned(),
            None => format!("{:?}", error.kind()),
        };
        Self {
            told,
            passes: absent || busy,
        }
    }
}

/// A client of the Redis at `url`, if it is a URL of one.
pub(super) fn client(url: &Secret) -> Option<Client> {
    Client::open(url.expose_secret()).ok()
}

/// Connects within `patience`. A login that is refused is not tried again: the Job is, later.
pub(super) async fn connect(
    client: &Client,
    patience: Duration,
) -> Result<MultiplexedConnection, Refusal> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ATTEMPT))
        .set_response_timeout(Some(ANSWER));
    let begun = Instant::now();
    let mut wait = FIRST_WAIT;
    loop {
        let attempt = client.get_multiplexed_async_connection_with_config(&config);
        let error = match attempt.await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        let is_refused = error.kind() == ErrorKind::AuthenticationFailed;
        if is_refused || begun.elapsed() + wait >= patience {
            return Err(error.into());
        }
        tracing::info!("waiting for Redis");
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}
