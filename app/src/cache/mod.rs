//! Redis, which may be away at any time.
//!
//! Owns [`Redis`]. Every operation has a deadline of its own, is tried three times if it may be repeated, and
//! answers "nothing known" when Redis is away: PostgreSQL or the process's own memory then answers
//! instead, and no request fails (R7.4). A Redis that is slow is left alone by a breaker. Nothing that must not be lost is kept here, and no key holds a person's data in clear.

mod link;
mod memory;
mod permissions;
mod supervise;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use erpgo_secret_set::Secret;
use futures::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue};
use tokio::sync::{mpsc, watch};
use tracing::Instrument as _;

use crate::breaker::Breaker;
use crate::metrics::METRICS;
use crate::users::UserId;

pub use link::{Link, LinkError};
pub(crate) use permissions::Entry;
pub use supervise::supervise;

/// No answer within this time counts as no answer: a local Redis takes well under 1 ms.
pub(crate) const DEADLINE: Duration = Duration::from_millis(150);
/// Waits before the second and the third try of what may be repeated.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(100)];
/// How long Redis is left alone once it has failed five calls in a row.
const REST: Duration = Duration::from_secs(1);
/// Channel on which changed users are announced, behind the prefix.
const CHANNEL: &str = "auth-changed";
/// Key that is asked for to see whether keys may be read; nothing is kept there.
const PROOF: &str = "proof";
/// Links on their way to the supervisor, which takes each at once.
const HANDED: usize = 4;
/// Of a metric that is there or not, and has no labels.
const UNLABELLED: [&str; 0] = [];
/// Users in one announcement; more are sent as "everyone".
const MAX_ANNOUNCED: usize = 500;

/// The connection, if there is one.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

/// Why there is no answer.
enum Unanswered {
    /// Nothing was tried.
    Away,
    /// It was tried in vain.
    Failed,
}

struct Inner {
    prefix: String,
    deadline: Duration,
    breaker: Mutex<Breaker>,
    connection: ArcSwapOption<MultiplexedConnection>,
    listening: AtomicBool,
    configured: AtomicBool,
    // Bytes that the server has in use; 0 while that is not known.
    memory: AtomicI64,
    // From when on it is known whether there is a Redis that answers.
    met: watch::Sender<bool>,
    handed: mpsc::Sender<Link>,
    // Until the supervisor takes it.
    arriving: Mutex<Option<mpsc::Receiver<Link>>>,
}

impl Inner {
    fn named(prefix: &str, deadline: Duration) -> Self {
        let (handed, arriving) = mpsc::channel(HANDED);
        Self {
            prefix: prefix.to_owned(),
            deadline,
            breaker: Mutex::new(Breaker::new(REST)),
            connection: ArcSwapOption::empty(),
            listening: AtomicBool::new(false),
            configured: AtomicBool::new(false),
            memory: AtomicI64::new(0),
            met: watch::Sender::new(false),
            handed,
            arriving: Mutex::new(Some(arriving)),
        }
    }
}

fn ask<T: FromRedisValue>(
    command: Cmd,
) -> impl FnOnce(MultiplexedConnection) -> BoxFuture<'static, redis::RedisResult<T>> {
    move |mut connection| Box::pin(async move { command.query_async(&mut connection).await })
}

impl Redis {
    /// One whose keys and channels all begin with `prefix`: installations that share a server share
    /// nothing else. What is not answered within `deadline` counts as not answered.
    #[must_use]
    pub fn named(prefix: &str, deadline: Duration) -> Self {
        Self {
            inner: Arc::new(Inner::named(prefix, deadline)),
        }
    }

    /// How long one call may take.
    pub(crate) fn deadline(&self) -> Duration {
        self.inner.deadline
    }

    /// How long the driver may take for any one command: never less than a call.
    fn response(&self) -> Duration {
        link::RESPONSE.max(self.deadline())
    }

    /// The key or channel of this installation that is called `rest`.
    pub(crate) fn key(&self, rest: &str) -> String {
        format!("{}{rest}", self.inner.prefix)
    }

    /// Connects to `url` and proves that this installation may use its keys and channel there.
    ///
    /// # Errors
    /// [`LinkError`]; after a second at the latest.
    pub async fn open(&self, url: &Secret) -> Result<Link, LinkError> {
        let (proof, channel) = (self.key(PROOF), self.key(CHANNEL));
        Link::open(url, &proof, &channel, self.response()).await
    }

    /// Whether a URL is set.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.inner.configured.load(Ordering::Acquire)
    }

    /// Whether Redis answers.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.inner.connection.load().is_some() && !self.breaker().is_open()
    }

    /// Whether changes made elsewhere are being heard of.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.inner.listening.load(Ordering::Acquire)
    }

    /// Waits until the first try to connect has ended, well or not, or there is nothing to connect to.
    pub(crate) async fn has_been_met(&self) {
        let mut met = self.inner.met.subscribe();
        // Fails only once nobody can say so any more, which `self` can.
        let _ = met.wait_for(|met| *met).await;
    }

    fn met(&self) {
        self.inner.met.send_replace(true);
    }

    /// Runs `command`, which may be repeated, up to three times; nothing when Redis is away, slow or fails.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        operation: &'static str,
        command: Cmd,
    ) -> Option<T> {
        match self.attempt(operation, ask(command.clone())).await {
            Ok(value) => return Some(value),
            Err(Unanswered::Away) => return None,
            Err(Unanswered::Failed) => {}
        }
        for wait in AGAIN_AFTER {
            tokio::time::sleep(wait).await;
            // The supervisor may have connected anew meanwhile.
            if let Ok(value) = self.attempt(operation, ask(command.clone())).await {
                return Some(value);
            }
        }
        None
    }

    /// Runs `work` once: what counts and did arrive would count twice if it were repeated.
    pub(crate) async fn run_once<T, F, Fut>(&self, operation: &'static str, work: F) -> Option<T>
    where
        F: FnOnce(MultiplexedConnection) -> Fut,
        Fut: Future<Output = redis::RedisResult<T>>,
    {
        self.attempt(operation, work).await.ok()
    }

    async fn attempt<T, F, Fut>(&self, operation: &'static str, work: F) -> Result<T, Unanswered>
    where
        F: FnOnce(MultiplexedConnection) -> Fut,
        Fut: Future<Output = redis::RedisResult<T>>,
    {
        if !self.admitted() {
            return Err(Unanswered::Away);
        }
        // Held to the end of the work: an old connection counts as drained when nobody holds it.
        let held = self.inner.connection.load_full();
        let held = held.ok_or(Unanswered::Away)?;
        let connection = MultiplexedConnection::clone(&held);
        let span = tracing::info_span!(
            "redis.command",
            otel.kind = "client",
            otel.status_code = tracing::field::Empty,
            db.system = "redis",
            db.operation = operation,
        );
        let call = tokio::time::timeout(self.deadline(), work(connection));
        let call = call.instrument(span.clone());
        let timer = METRICS
            .redis_duration
            .with_label_values(&[operation])
            .start_timer();
        let answered = call.await;
        timer.observe_duration();
        let outcome = match answered {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(format!("{:?}", error.kind())),
            Err(_) => Err("deadline".to_owned()),
        };
        self.judge(outcome.is_ok());
        outcome.map_err(|reason| {
            span.record("otel.status_code", "ERROR");
            METRICS
                .cache_operations
                .with_label_values(&[operation, "error"])
                .inc();
            tracing::debug!(operation, reason, "redis did not answer");
            Unanswered::Failed
        })
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        // Nothing is left half-done by a panic in here.
        self.inner
            .breaker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call may be tried; when Redis has rested, one.
    fn admitted(&self) -> bool {
        self.breaker().enters(Instant::now())
    }

    fn judge(&self, answered: bool) {
        let mut breaker = self.breaker();
        let was_open = breaker.is_open();
        if answered {
            breaker.succeeded();
        } else {
            breaker.failed(Instant::now());
        }
        match (was_open, breaker.is_open()) {
            (false, true) => {
                self.tell(false);
                tracing::warn!("redis does not answer and is left alone for a while");
            }
            (true, false) => {
                self.tell(true);
                tracing::info!("redis answers again");
            }
            _ => {}
        }
    }

    /// Tells every process that what it knows of `users` is out of date.
    pub async fn announce(&self, users: &[UserId]) {
        let text = if users.len() > MAX_ANNOUNCED {
            "*".to_owned()
        } else {
            users
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let command = redis::cmd("PUBLISH")
            .arg(self.key(CHANNEL))
            .arg(text)
            .take();
        self.run::<()>("announce", command).await;
    }

    /// Puts `link` in use at once; what was in use before goes when nobody holds it any more.
    pub(crate) fn hand_over(&self, link: Link) -> Option<Weak<MultiplexedConnection>> {
        let next = Arc::clone(&link.connection);
        self.inner.configured.store(true, Ordering::Release);
        let old = self.inner.connection.swap(Some(next));
        // The supervisor listens on the new link and lets go of the old one. Without one, or with
        // one that does not come to it, the next reconnect finds the new URL in the set.
        let _ = self.inner.handed.try_send(link);
        old.map(|old| Arc::downgrade(&old))
    }

    fn arriving(&self) -> Option<mpsc::Receiver<Link>> {
        self.inner
            .arriving
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Drops the connection; requests go on without.
    pub fn close(&self) {
        self.inner.listening.store(false, Ordering::Release);
        self.inner.connection.store(None);
        self.tell(false);
    }

    /// Publishes how much memory the server has in use, and nothing of one that does not say or is away.
    pub fn publish(&self) {
        let bytes = self.inner.memory.load(Ordering::Acquire);
        if bytes > 0 && self.is_up() {
            METRICS
                .redis_memory
                .with_label_values(&UNLABELLED)
                .set(bytes);
        } else {
            // Fails when nothing was said before.
            let _ = METRICS.redis_memory.remove_label_values(&UNLABELLED);
        }
    }

    /// Keeps what the server has said of its memory, until another one is connected to.
    fn uses(&self, bytes: Option<i64>) {
        self.inner
            .memory
            .store(bytes.unwrap_or(0), Ordering::Release);
    }

    /// Whether a URL is set from here on.
    fn configure(&self, is_set: bool) {
        // Held meanwhile: a call that ends just now says nothing of a Redis that has left.
        let _judged = self.breaker();
        self.inner.configured.store(is_set, Ordering::Release);
        if !is_set {
            self.tell(false);
            self.met();
        }
    }

    /// Says in the metrics whether Redis answers. Without a URL there is none that could be down.
    fn tell(&self, is_up: bool) {
        let up = &METRICS.dependency_up;
        if self.is_configured() {
            up.with_label_values(&["redis"]).set(i64::from(is_up));
        } else {
            // Fails when nothing was said before.
            let _ = up.remove_label_values(&["redis"]);
        }
    }
}
