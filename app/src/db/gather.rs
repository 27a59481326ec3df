//! Reads of one row each, gathered into statements that read many.
//!
//! Owns [`Gather`]. One statement is on its way at once, and a second while many wait: a read on a quiet server
//! has one of its own; those that come meanwhile are asked for together when it ends, for the price of one. A
//! row is never older than the question for it, since a statement begins after all that it
//! answers were asked. What is to be read inside of a transaction, or locked, never comes here.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::PgConnection;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Database, Lease, crowded};
use crate::error::{Error, Result};
use crate::metrics::METRICS;

/// Statements that are on their way at once while [`MANY`] wait and each is answered within [`PATIENCE`].
const ROUNDS: usize = 2;
/// Reads for which a second statement is worth its while.
const MANY: usize = 32;
/// And at the most, when they are not.
const MOST_ROUNDS: usize = 32;
/// How long a read waits for the statements of others before it begins one more.
const PATIENCE: Duration = Duration::from_millis(25);
/// Reads that one statement answers.
const AT_ONCE: usize = 100;
/// Reads that may wait.
const WAITING: usize = 512;

/// What a statement found: each row under its key, or why that row cannot be understood.
pub type Found<K, V> = HashMap<K, Result<V, Arc<sqlx::Error>>>;

/// The statement for all of the keys.
pub type Fetch<K, V> =
    for<'c> fn(&'c mut PgConnection, &'c [K]) -> BoxFuture<'c, Result<Found<K, V>, sqlx::Error>>;

/// Reads of one kind of row.
pub struct Gather<K, V>(Arc<Parts<K, V>>);

struct Parts<K, V> {
    database: Database,
    operation: &'static str,
    fetch: Fetch<K, V>,
    deadline: Duration,
    queue: Mutex<Queue<K, V>>,
}

struct Queue<K, V> {
    rounds: usize,
    asked: VecDeque<Asked<K, V>>,
}

impl<K, V> Queue<K, V> {
    /// Counts one more round, unless as many as `most` are under way.
    fn begins(&mut self, most: usize) -> bool {
        let begins = self.rounds < most;
        self.rounds += usize::from(begins);
        begins
    }
}

struct Asked<K, V> {
    key: K,
    answer: oneshot::Sender<Result<Option<V>>>,
}

/// One of the statements that may be on their way; over when it is dropped.
struct Round<K, V> {
    parts: Arc<Parts<K, V>>,
    is_over: bool,
}

impl<K, V> Gather<K, V>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + 'static,
{
    /// Reads from `database` by `fetch`, which is cut off after `deadline`; `operation` says what is being
    /// done when it fails.
    pub fn new(
        database: Database,
        operation: &'static str,
        fetch: Fetch<K, V>,
        deadline: Duration,
    ) -> Self {
        Self(Arc::new(Parts {
            database,
            operation,
            fetch,
            deadline,
            queue: Mutex::new(Queue {
                rounds: 0,
                asked: VecDeque::new(),
            }),
        }))
    }

    /// The row of `key`, if there is one.
    ///
    /// # Errors
    /// OVERLOADED when as many wait as may; otherwise as [`Database::acquire_in_turn`] and as the statement, which
    /// fails for all that it was to answer.
    pub async fn one(&self, key: K) -> Result<Option<V>> {
        let mut answered = self.0.ask(key)?;
        let answer = match timeout(PATIENCE, &mut answered).await {
            Ok(answer) => answer,
            Err(_) => {
                self.0.begin(MOST_ROUNDS);
                answered.await
            }
        };
        answer.unwrap_or_else(|_| {
            let source = "the statement ended without an answer".to_owned();
            Err(Error::internal(self.0.operation, source))
        })
    }
}

impl<K, V> Parts<K, V>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + 'static,
{
    fn ask(self: &Arc<Self>, key: K) -> Result<oneshot::Receiver<Result<Option<V>>>> {
        let (answer, answered) = oneshot::channel();
        let mut queue = self.locked();
        if queue.asked.len() >= WAITING {
            METRICS.pool_shed.inc();
            return Err(crowded());
        }
        queue.asked.push_back(Asked { key, answer });
        let many = queue.asked.len() >= MANY;
        let begins = queue.begins(if many { ROUNDS } else { 1 });
        drop(queue);
        if begins {
            self.spawn();
        }
        Ok(answered)
    }

    /// Begins a round, unless as many as `most` are under way.
    fn begin(self: &Arc<Self>, most: usize) {
        if self.locked().begins(most) {
            self.spawn();
        }
    }

    fn spawn(self: &Arc<Self>) {
        let round = Round {
            parts: Arc::clone(self),
            is_over: false,
        };
        tokio::spawn(round.run());
    }

    async fn read(&self, lent: Result<Lease>, keys: &[K]) -> Result<Found<K, V>> {
        let mut connection = lent?;
        // What is cut off is closed: the pool would wait for the end of its statement.
        connection.set_busy(true);
        let found = if keys.is_empty() {
            HashMap::new()
        } else {
            let found = timeout(self.deadline, (self.fetch)(&mut connection, keys)).await;
            let late = || Err(sqlx::Error::Io(ErrorKind::TimedOut.into()));
            found
                .unwrap_or_else(|_| late())
                .map_err(|error| Error::database(self.operation, error))?
        };
        connection.set_busy(false);
        connection.done();
        Ok(found)
    }

    fn row(&self, found: &Result<Found<K, V>>, key: K) -> Result<Option<V>> {
        let found = found.as_ref().map_err(Error::clone)?;
        match found.get(&key) {
            None => Ok(None),
            Some(Ok(row)) => Ok(Some(row.clone())),
            Some(Err(error)) => Err(Error::database(self.operation, Arc::clone(error))),
        }
    }
}

impl<K, V> Parts<K, V> {
    fn locked(&self) -> MutexGuard<'_, Queue<K, V>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> Round<K, V>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + 'static,
{
    async fn run(mut self) {
        let parts = Arc::clone(&self.parts);
        while self.goes_on() {
            // Only then is it seen who waits: all who came until there was a connection.
            let lent = parts.database.acquire_in_turn().await;
            let asked = self.next();
            let keys: HashSet<K> = asked.iter().map(|asked| asked.key).collect();
            let keys: Vec<K> = keys.into_iter().collect();
            let found = parts.read(lent, &keys).await;
            for asked in asked {
                let row = parts.row(&found, asked.key);
                // Whoever asked may have given up.
                let _ = asked.answer.send(row);
            }
        }
    }

    /// Whether anybody waits; if not, this round is over in the same moment.
    fn goes_on(&mut self) -> bool {
        let mut queue = self.parts.locked();
        queue.asked.retain(|asked| !asked.answer.is_closed());
        if queue.asked.is_empty() {
            queue.rounds -= 1;
            drop(queue);
            self.is_over = true;
        }
        !self.is_over
    }

    fn next(&self) -> Vec<Asked<K, V>> {
        let mut queue = self.parts.locked();
        let most = queue.asked.len().min(AT_ONCE);
        queue.asked.drain(..most).collect()
    }
}

impl<K, V> Drop for Round<K, V> {
    fn drop(&mut self) {
        // Cut short by a panic: whoever comes next, or has not waited for long, begins another one for all.
        if !self.is_over {
            self.parts.locked().rounds -= 1;
        }
    }
}
