//! Keeps the connection to Redis, and listens for changes.
//!
//! Owns the one task that connects, pings each second, asks for the server's memory each minute, takes over a
//! link to another Redis or user without a moment in between, and forgets everything known whenever changes may
//! have been missed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use erpgo_secret_set::{Secret, SecretSet};
use futures::StreamExt as _;
use redis::aio::MultiplexedConnection;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Link, Redis, memory};
use crate::auth::sessions::Sessions;
use crate::secrets::Keyring;

const EVERY: Duration = Duration::from_secs(1);
/// Pings from one question for the server's memory to the next: a minute.
const MEASURED_EVERY: u32 = 60;
/// After a connection was lost: calls that failed with it are tried again in 50 and 150 ms.
const AT_ONCE: Duration = Duration::from_millis(25);

/// Runs until `stop`.
pub async fn supervise(
    redis: Redis,
    keyring: Keyring,
    sessions: Sessions,
    stop: CancellationToken,
) {
    let Some(mut arriving) = redis.arriving() else {
        return;
    };
    let mut changes = keyring.changes();
    let mut handed = None;
    loop {
        changes.mark_unchanged();
        let url = match &handed {
            Some(Link { url, .. }) => Some(url.duplicate()),
            None => url(&keyring.current()).map(Secret::duplicate),
        };
        redis.configure(url.is_some());
        tokio::select! {
            // A link that was handed over is in use already and must not be closed with the old one.
            biased;
            () = stop.cancelled() => break,
            Some(link) = arriving.recv() => {
                handed = Some(link);
                continue;
            }
            // Ends when the URL in the set is another one, and nobody has handed a link over.
            () = other_url(&mut changes, &keyring, url.as_ref()) => {}
            held = hold(&redis, &sessions, url.as_ref(), handed.take()) => {
                redis.close();
                let pause = if held { AT_ONCE } else { EVERY };
                tokio::select! {
                    () = stop.cancelled() => break,
                    Some(link) = arriving.recv() => {
                        handed = Some(link);
                        continue;
                    }
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
        redis.close();
    }
    redis.close();
}

async fn other_url(changes: &mut watch::Receiver<u64>, keyring: &Keyring, held: Option<&Secret>) {
    loop {
        if changes.changed().await.is_err() {
            return std::future::pending().await;
        }
        if !same(url(&keyring.current()), held) {
            return;
        }
    }
}

fn url(set: &SecretSet) -> Option<&Secret> {
    set.keys.redis.as_ref().map(|key| &key.current.value)
}

fn same(one: Option<&Secret>, other: Option<&Secret>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.ct_eq(other.expose_secret().as_bytes()),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// Connects unless a link was handed over, and stays connected; returns when it is lost. True when
/// there was a connection.
async fn hold(
    redis: &Redis,
    sessions: &Sessions,
    url: Option<&Secret>,
    handed: Option<Link>,
) -> bool {
    let Some(url) = url else {
        return std::future::pending().await;
    };
    let link = match handed {
        Some(link) => link,
        None => match redis.open(url).await {
            Ok(link) => link,
            Err(error) => {
                tracing::debug!(error = %erpgo_telemetry::chain(&error), "redis is away");
                redis.met();
                return false;
            }
        },
    };
    redis.uses(None);
    redis
        .inner
        .connection
        .store(Some(Arc::clone(&link.connection)));
    redis.breaker().succeeded();
    sessions.forget_all();
    redis.inner.listening.store(true, Ordering::Release);
    redis.tell(true);
    redis.met();
    tracing::info!("redis is connected");
    listen(redis, link, sessions).await;
    tracing::warn!("redis is away; the database and this process's memory answer instead");
    true
}

async fn listen(redis: &Redis, link: Link, sessions: &Sessions) {
    let Link {
        connection, pubsub, ..
    } = link;
    let mut messages = pubsub.into_on_message();
    let mut tick = tokio::time::interval(EVERY);
    let mut pings = 0_u32;
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(message) => heard(&message.get_payload::<String>().unwrap_or_default(), sessions),
                None => return,
            },
            _ = tick.tick() => {
                if !answers(redis, &connection).await {
                    return;
                }
                if pings.is_multiple_of(MEASURED_EVERY) {
                    measure(redis, &connection).await;
                }
                pings = pings.wrapping_add(1);
            }
        }
    }
}

async fn answers(redis: &Redis, connection: &MultiplexedConnection) -> bool {
    let (ping, mut connection) = (redis::cmd("PING"), connection.clone());
    let pong = ping.query_async::<()>(&mut connection);
    matches!(
        tokio::time::timeout(redis.response(), pong).await,
        Ok(Ok(()))
    )
}

/// An answer that does not come says nothing: the next ping finds out whether the server is there.
async fn measure(redis: &Redis, connection: &MultiplexedConnection) {
    let mut connection = connection.clone();
    let used = memory::used(&mut connection);
    // Changes are not heard of meanwhile.
    let used = tokio::time::timeout(redis.deadline(), used).await;
    redis.uses(used.unwrap_or(None));
}

fn heard(payload: &str, sessions: &Sessions) {
    if payload == "*" {
        return sessions.forget_all();
    }
    for user in payload.split(' ').filter_map(|text| text.parse().ok()) {
        sessions.forget(user);
    }
}
