//! Whether the queue moves.
//!
//! Owns [`Progress`]: which objects are due and which are at work, with the time as an argument. The
//! liveness probe reads it: a process whose oldest due object or oldest reconcile is older than the
//! bound is stuck, and only a restart helps. Nothing here touches the cluster.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Namespace and name of an `ErpGo`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What is due and what is at work. Bounded by the number of `ErpGo` objects there are.
#[derive(Default)]
pub struct Progress(Mutex<State>);

#[derive(Default)]
struct State {
    due: HashMap<Key, Duration>,
    at_work: HashMap<Key, Duration>,
}

/// Why the process counts as stuck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// An object has been due for longer than the bound and nothing took it up.
    Queue(Duration),
    /// A reconcile has been at work for longer than the bound.
    Reconcile(Duration),
}

impl Progress {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic between two statements here leaves maps that are still usable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that `key` should be reconciled at `due`; the earliest such time counts.
    pub fn expect(&self, key: Key, due: Duration) {
        let mut state = self.state();
        let entry = state.due.entry(key).or_insert(due);
        *entry = (*entry).min(due);
    }

    /// Notes that the reconcile of `key` begins.
    pub fn begin(&self, key: &Key, now: Duration) {
        let mut state = self.state();
        state.due.remove(key);
        state.at_work.insert(key.clone(), now);
    }

    /// Notes that it ended.
    pub fn end(&self, key: &Key) {
        self.state().at_work.remove(key);
    }

    /// Forgets what is not in `exists`: an object that is gone is never reconciled.
    pub fn retain(&self, exists: impl Fn(&Key) -> bool) {
        self.state().due.retain(|key, _| exists(key));
    }

    /// Objects that are due and wait for their turn.
    #[must_use]
    pub fn depth(&self, now: Duration) -> usize {
        self.state().due.values().filter(|due| **due <= now).count()
    }

    /// Whether something has stood still for longer than `bound`.
    #[must_use]
    pub fn stuck(&self, now: Duration, bound: Duration) -> Option<Stuck> {
        let state = self.state();
        let oldest = |times: &HashMap<Key, Duration>| {
            let at = times.values().min().copied().unwrap_or(now);
            Some(now.saturating_sub(at)).filter(|age| *age > bound)
        };
        oldest(&state.at_work)
            .map(Stuck::Reconcile)
            .or_else(|| oldest(&state.due).map(Stuck::Queue))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn key(name: &str) -> Key {
        Key {
            namespace: "team".into(),
            name: name.into(),
        }
    }

    #[test]
    fn an_object_that_nothing_takes_up_is_noticed_and_one_that_is_not_yet_due_is_not() {
        let progress = Progress::default();
        progress.expect(key("a"), s(10));
        progress.expect(key("a"), s(5000));
        progress.expect(key("later"), s(5000));
        assert_eq!(progress.depth(s(9)), 0);
        assert_eq!(progress.depth(s(10)), 1);
        assert_eq!(progress.stuck(s(310), s(300)), None);
        assert_eq!(progress.stuck(s(311), s(300)), Some(Stuck::Queue(s(301))));
        progress.begin(&key("a"), s(311));
        assert_eq!(progress.stuck(s(311), s(300)), None);
    }

    #[test]
    fn a_reconcile_that_hangs_is_noticed() {
        let progress = Progress::default();
        progress.expect(key("a"), s(0));
        progress.begin(&key("a"), s(1));
        assert_eq!(
            progress.stuck(s(302), s(300)),
            Some(Stuck::Reconcile(s(301)))
        );
        progress.end(&key("a"));
        assert_eq!(progress.stuck(s(900), s(300)), None);
    }

    #[test]
    fn a_deleted_object_holds_nothing_up() {
        let progress = Progress::default();
        progress.expect(key("gone"), s(0));
        progress.expect(key("here"), s(0));
        progress.retain(|key| key.name == "here");
        assert_eq!(progress.depth(s(1)), 1);
    }
}
